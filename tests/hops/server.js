// A server by Node's own http module, whose answers a client should know. Prints its port.
const http = require('node:http');
const zlib = require('node:zlib');

const text = JSON.stringify({ word: 'tally', list: 'ho '.repeat(2000) });
const encoders = {
  plain: (body) => body,
  gzip: zlib.gzipSync,
  deflate: zlib.deflateSync,
  raw: zlib.deflateRawSync,
  br: zlib.brotliCompressSync,
  bomb: () => zlib.gzipSync(Buffer.alloc(17 * 1024 * 1024)),
  broken: () => Buffer.from('this was never compressed'),
};
const names = { plain: 'identity', raw: 'deflate', bomb: 'gzip', broken: 'gzip' };
const encoded = Object.fromEntries(
  Object.entries(encoders).map(([name, encode]) => [name, encode(Buffer.from(text))]),
);

const routes = {
  '/trailers': (_, response) => {
    response.writeHead(200, { Trailer: 'X-Sum', 'Content-Type': 'application/json' });
    response.write('{"sum":');
    response.write('"late"}');
    response.addTrailers({ 'X-Sum': '12' });
    response.end();
  },
  '/hints': (_, response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' }, () => {
      response.writeProcessing();
      response.end('{"hinted":true}');
    });
  },
  '/close': (_, response) => {
    response.shouldKeepAlive = false;
    response.end('{"last":true}');
  },
  '/until-close': (_, response) => {
    // Neither a length nor chunks: the end of the connection is the end of the body.
    response.useChunkedEncodingByDefault = false;
    response.removeHeader('transfer-encoding');
    response.shouldKeepAlive = false;
    response.write('{"until":');
    response.end('"close"}');
  },
  '/no-content': (_, response) => response.writeHead(204).end(),
  '/not-modified': (_, response) => response.writeHead(304, { 'Content-Length': '500' }).end(),
  '/length': (_, response) => response.writeHead(200, { 'Content-Length': '500' }).end(),
  '/raw-extension': (request) => {
    // Past Node, which writes no extensions; it would wait for an answer of its own.
    const head = 'HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n';
    request.socket.end(`${head}5;name="a;b"\r\n{"ext\r\n9\r\n":"ion"}\n\r\n0;x\r\nT: 1\r\n\r\n`);
  },
  '/echo': (request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const size = Buffer.concat(parts).length;
      response.end(JSON.stringify({ size, method: request.method, headers: request.headers }));
    });
  },
};

const server = http.createServer((request, response) => {
  const route = routes[request.url];
  if (route) return route(request, response);
  const name = request.url.slice(1);
  if (!encoded[name]) return response.writeHead(404).end();
  response.setHeader('Content-Encoding', names[name] ?? name);
  response.end(encoded[name]);
});
server.keepAliveTimeout = 60000;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
