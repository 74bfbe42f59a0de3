// Server-sent events, which end while a page is not shown: browsers allow a host six connections, and all tabs share
// them. A page that is shown again connects again, and is sent the present state.
"use strict";

(() => {
  const PAUSE = 1000; // milliseconds, so that a glance at another tab changes nothing
  const streams = new Set();

  class Stream {
    constructor(address) {
      this.address = address;
      this.listeners = [];
      this.onerror = this.onopen = this.source = null;
      this.isClosed = false;
      streams.add(this);
      if (!document.hidden) this.open();
    }

    get readyState() {
      if (this.isClosed) return EventSource.CLOSED;
      return this.source ? this.source.readyState : EventSource.CONNECTING;
    }

    addEventListener(name, listener) {
      this.listeners.push([name, listener]);
      if (this.source) this.source.addEventListener(name, listener);
    }

    removeEventListener(name, listener) {
      this.listeners = this.listeners.filter(([kept, each]) => kept !== name || each !== listener);
      if (this.source) this.source.removeEventListener(name, listener);
    }

    close() {
      this.isClosed = true;
      streams.delete(this);
      this.pause();
    }

    open() {
      if (this.source || this.isClosed) return;
      const source = (this.source = new EventSource(this.address));
      for (const [name, listener] of this.listeners) source.addEventListener(name, listener);
      source.onopen = (event) => this.onopen && this.onopen(event);
      source.onerror = (event) => {
        if (source.readyState === EventSource.CLOSED) this.close();
        if (this.onerror) this.onerror(event);
      };
    }

    pause() {
      if (this.source) this.source.close();
      this.source = null;
    }
  }

  let waiting = 0;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(waiting);
    if (document.hidden) waiting = setTimeout(() => streams.forEach((stream) => stream.pause()), PAUSE);
    else streams.forEach((stream) => stream.open());
  });

  // The sse extension of htmx asks here; scripts do, too.
  htmx.createEventSource = (address) => new Stream(address);
})();
