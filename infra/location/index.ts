/** The location service that is configured, behind the port; opening it asks nobody anything. */
import type { LocationPort } from '../../nodes/locationPort.ts';
import type { Clock, Log, Metrics, Scheduler } from '../../nodes/ports.ts';
import { AmazonLocation } from './amazonLocation.ts';
import { MemoryLocation } from './memoryLocation.ts';
import { Pseudonyms } from './pseudonym.ts';

export interface LocationOptions {
  readonly provider: 'memory' | 'amazon';
  /** Of Amazon Location; empty: the public one of the region. */
  readonly endpoint: string;
  readonly tracker: string;
  readonly collection: string;
  readonly requestsPerS: number;
  readonly historyMs: number;
  readonly dynamodbEndpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Secrets that pseudonyms are made from (`loadKeys`). */
  readonly masters: ReadonlyMap<number, Uint8Array>;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly metrics: Metrics;
}

export function openLocation(options: LocationOptions): LocationPort {
  const pseudonyms = new Pseudonyms(options.masters);
  if (options.provider === 'amazon') return new AmazonLocation({ ...options, pseudonyms });
  const { dynamodbEndpoint: endpoint, region, credentials } = options;
  return new MemoryLocation({ ...options, dynamodb: { endpoint, region, credentials }, pseudonyms });
}
