/**
 * Spans to an OpenTelemetry collector, over OTLP/HTTP. Imported only when there is one.
 *
 * The SDK's standard settings count (OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS, ...). Which traces are recorded is
 * decided where they begin: here, or by the caller who sent a `traceparent`.
 */
import {
  type SpanContext as Context,
  type Link,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace as traces,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import type { Span, Tracer } from '../../nodes/ports.ts';
import { isSampled } from '../../protocol/trace.ts';
import { EXPORT_MS_MAX, LINKS_MAX, SpanQueue } from './spanQueue.ts';
import type { Tracing, TracingOptions } from './tracing.ts';

const contextOf = (trace: string): Context => ({
  traceId: trace.slice(3, 35),
  spanId: trace.slice(36, 52),
  traceFlags: isSampled(trace) ? TraceFlags.SAMPLED : TraceFlags.NONE,
  isRemote: true,
});

const below = (trace: string | null) =>
  trace === null ? ROOT_CONTEXT : traces.setSpanContext(ROOT_CONTEXT, contextOf(trace));

class SeenSpan implements Span {
  readonly trace: string;
  readonly #span: OtelSpan;
  constructor(span: OtelSpan) {
    const { traceId, spanId, traceFlags } = span.spanContext();
    this.#span = span;
    this.trace = `00-${traceId}-${spanId}-${(traceFlags & TraceFlags.SAMPLED) === 0 ? '00' : '01'}`;
  }
  set(name: string, value: string | number): void {
    this.#span.setAttribute(name, value);
  }
  end(failure?: string): void {
    if (failure !== undefined) this.#span.setStatus({ code: SpanStatusCode.ERROR, message: failure });
    this.#span.end();
  }
}

export function exportTraces(options: TracingOptions): Tracing {
  const { endpoint, node, version, log, metrics, scheduler } = options;
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
    timeoutMillis: EXPORT_MS_MAX,
  });
  const queue = new SpanQueue({ exporter, log, metrics, scheduler });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.name': 'heyblue',
      'service.instance.id': node,
      'service.version': version,
    }),
    spanProcessors: [queue],
  });
  const inner = provider.getTracer('heyblue');
  const tracer: Tracer = {
    begin: (name, parent) => new SeenSpan(inner.startSpan(name, { kind: SpanKind.SERVER }, below(parent))),
    record: (name, given) => {
      if (given === null || given === undefined) return null;
      const list = typeof given === 'string' ? [given] : given;
      const sampled: string[] = [];
      for (const one of list) {
        if (one && isSampled(one) && sampled.length <= LINKS_MAX) sampled.push(one);
      }
      const [parent, ...others] = sampled;
      if (parent === undefined) return null;
      const links: Link[] = others.map(one => ({ context: contextOf(one) }));
      return new SeenSpan(inner.startSpan(name, { kind: SpanKind.INTERNAL, links }, below(parent)));
    },
  };
  return { tracer, close: budgetMs => queue.close(budgetMs) };
}
