/** An OpenTelemetry collector for tests: a real HTTP server that takes OTLP as JSON, or misbehaves. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SentSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly status: { code?: number; message?: string };
  readonly links?: { traceId: string; spanId: string }[];
  readonly attributes: { key: string; value: Record<string, unknown> }[];
}

export class Collector {
  readonly spans: SentSpan[] = [];
  readonly paths = new Set<string>();
  resource: Record<string, unknown> = {};
  requests = 0;
  behaviour: 'take' | 'refuse' | 'hang' = 'take';
  readonly #server: Server;
  url = '';

  constructor() {
    this.#server = createServer(async (request, response) => {
      this.requests++;
      if (this.behaviour === 'hang') return;
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      if (this.behaviour === 'refuse') {
        response.writeHead(400).end();
        return;
      }
      this.paths.add(`${request.method} ${request.url} ${request.headers['content-type']}`);
      const body = JSON.parse(Buffer.concat(chunks).toString());
      for (const { resource, scopeSpans } of body.resourceSpans) {
        for (const { key, value } of resource.attributes) this.resource[key] = Object.values(value)[0];
        for (const { spans } of scopeSpans) this.spans.push(...spans);
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  }
  async start(): Promise<this> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise(resolve => this.#server.close(resolve));
  }
  named(name: string): SentSpan[] {
    return this.spans.filter(span => span.name === name);
  }
}
