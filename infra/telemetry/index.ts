/** Logs and metrics of the town: what other folders may use of them. */
export { createLogs, type Folder, type LogOptions, type Logs } from './logger.ts';
export type { MetricName } from './metric-table.ts';
export { createMetrics, type NodeMetrics } from './metrics.ts';
export { REDACTED } from './redact.ts';
export { openTracing, type Tracing } from './tracing.ts';
