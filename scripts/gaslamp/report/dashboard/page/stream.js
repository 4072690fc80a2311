// One connection to the server for all tabs of a browser (browsers allow six to one address), as a shared worker;
// where shared workers are missing, each tab opens its own connection with the same function.
"use strict";

const RETRY = 3000;

function openStream(run, emit) {
  let source = null;
  let timer = 0;
  let closed = false;
  function open() {
    source = new EventSource("api/stream?run=" + encodeURIComponent(run));
    source.onopen = () => emit({ kind: "link", live: true });
    source.onerror = () => {
      emit({ kind: "link", live: false });
      if (source.readyState === EventSource.CLOSED && !closed) timer = setTimeout(open, RETRY); // the browser gave up: connect again
    };
    for (const kind of ["project", "hello", "update"]) source.addEventListener(kind, (event) => emit({ kind, data: JSON.parse(event.data) }));
  }
  open();
  return () => {
    closed = true;
    clearTimeout(timer);
    source.close();
  };
}

if (typeof SharedWorkerGlobalScope !== "undefined" && self instanceof SharedWorkerGlobalScope) {
  const streams = new Map(); // run -> {ports, close, project, live}

  const leave = (port) => {
    for (const [run, stream] of streams) {
      if (stream.ports.delete(port) && !stream.ports.size) {
        stream.close();
        streams.delete(run);
      }
    }
  };

  const follow = (port, run) => {
    leave(port);
    let stream = streams.get(run);
    if (!stream) {
      stream = { ports: new Set(), live: false, project: null };
      streams.set(run, stream);
      stream.close = openStream(run, (message) => {
        if (message.kind === "link") stream.live = message.live;
        if (message.kind === "project") stream.project = message.data;
        for (const one of stream.ports) one.postMessage(message);
      });
    } else {
      port.postMessage({ kind: "link", live: stream.live });
      if (stream.project) port.postMessage({ kind: "project", data: stream.project });
    }
    stream.ports.add(port);
  };

  self.onconnect = (event) => {
    const port = event.ports[0];
    port.onmessage = (message) => (message.data.bye ? leave(port) : follow(port, message.data.run));
  };
}
