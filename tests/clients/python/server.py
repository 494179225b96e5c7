"""A server on simulated nodes, as a process of its own."""
import os
import re
import subprocess
import tempfile
import threading


class Server:
    """Runs while the `with` block does; `url` is where."""

    def __init__(self, binary, admin_key, user_key):
        self.binary = os.path.abspath(binary)
        self.keys = {"HEKETI_ADMIN_KEY": admin_key, "HEKETI_USER_KEY": user_key}

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        command = [self.binary, "serve", "--executor", "sim", "--listen", "127.0.0.1:0"]
        environment = {"PATH": os.environ["PATH"], **self.keys}
        self.process = subprocess.Popen(
            command, cwd=self.folder.name, env=environment, stderr=subprocess.PIPE, text=True
        )
        self.log = []
        for line in self.process.stderr:
            self.log.append(line)
            found = re.search(r"address=(\S+)", line)
            if found:
                self.url = "http://" + found.group(1)
                break
        else:
            raise RuntimeError("the server ended: " + "".join(self.log))
        # Somebody must read on, or the server would wait for room in the pipe.
        threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True).start()
        return self

    def __exit__(self, kind, error, trace):
        self.process.terminate()
        self.process.wait()
        if error:
            print("".join(self.log[-50:]))
        self.folder.cleanup()
