// Server-sent events, which end while a page is not shown: browsers allow a host six connections, and all tabs share
// them. A page that is shown again connects again, and is sent the present state: it takes what differs.
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
      let last = null;
      const told = (event) => {
        // What a page shows already is not put into it again: a report would be loaded again, details would close.
        if (event.data !== undefined && event.data === last) return;
        last = event.data;
        listener(event);
      };
      this.listeners.push([name, listener, told]);
      if (this.source) this.source.addEventListener(name, told);
    }

    removeEventListener(name, listener) {
      const isIt = ([kept, each]) => kept === name && each === listener;
      const removed = this.listeners.filter(isIt);
      this.listeners = this.listeners.filter((entry) => !isIt(entry));
      if (this.source) for (const [, , told] of removed) this.source.removeEventListener(name, told);
    }

    close() {
      this.isClosed = true;
      streams.delete(this);
      this.pause();
    }

    open() {
      if (this.source || this.isClosed) return;
      const source = (this.source = new EventSource(this.address));
      for (const [name, , told] of this.listeners) source.addEventListener(name, told);
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

  // The sse extension of htmx asks here.
  htmx.createEventSource = (address) => new Stream(address);
})();
