"""A module in the place of huggingface_hub: repositories in a dict, and the errors of the real one by name."""

from __future__ import annotations

import types
from pathlib import Path


class Repositories(types.ModuleType):
    """`files` by repository and path; `calls` are what was asked of it."""

    def __init__(self):
        super().__init__("huggingface_hub")
        self.files: dict[str, dict[str, bytes]] = {}
        self.calls: list[tuple] = []
        self.failure: Exception | None = None
        names = ("HfHubHTTPError", "RepositoryNotFoundError", "GatedRepoError", "RevisionNotFoundError")
        self.errors = types.SimpleNamespace(**{name: type(name, (Exception,), {}) for name in names})
        self.HfApi = lambda library_name: self

    class CommitOperationAdd:
        def __init__(self, path_in_repo, path_or_fileobj):
            self.path, self.held = path_in_repo, path_or_fileobj

    def create_repo(self, repo_id, *, repo_type, private, exist_ok):
        self.calls.append(("create_repo", repo_id, repo_type, private, exist_ok))
        self._fail()
        self.files.setdefault(repo_id, {})

    def create_commit(self, repo_id, operations, *, repo_type, revision, commit_message):
        self.calls.append(("create_commit", repo_id, repo_type, revision, commit_message))
        for each in operations:
            held = each.held if isinstance(each.held, bytes) else Path(each.held).read_bytes()
            self.files[repo_id][each.path] = held
        return types.SimpleNamespace(commit_url=f"https://hub.example/{repo_id}/commit/1")

    def snapshot_download(self, *, repo_id, revision, local_dir):
        self.calls.append(("snapshot_download", repo_id, revision))
        self._fail()
        if repo_id not in self.files:
            raise self.errors.RepositoryNotFoundError("404")
        for name, content in self.files[repo_id].items():
            path = Path(local_dir, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        Path(local_dir, ".cache").mkdir()
        return local_dir

    def _fail(self):
        if self.failure:
            raise self.failure
