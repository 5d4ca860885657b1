/** `Location Geofence Event` of EventBridge, as the service sends it: who (a pseudonym) entered or left which circle. */

export interface DeviceCrossing {
  readonly device: string;
  readonly circleId: string;
  readonly what: 'enter' | 'exit';
  readonly atMs: number;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

const WHAT: Readonly<Record<string, 'enter' | 'exit'>> = { ENTER: 'enter', EXIT: 'exit' };

/** Null for anything else. The position in it is not read. */
export function crossingOf(event: unknown): DeviceCrossing | null {
  if (!isRecord(event) || event.source !== 'aws.geo' || event['detail-type'] !== 'Location Geofence Event')
    return null;
  const { detail } = event;
  if (!isRecord(detail)) return null;
  const { EventType, GeofenceId, DeviceId, SampleTime } = detail;
  const what = typeof EventType === 'string' ? WHAT[EventType] : undefined;
  const atMs = typeof SampleTime === 'string' ? Date.parse(SampleTime) : Number.NaN;
  if (what === undefined || typeof GeofenceId !== 'string' || typeof DeviceId !== 'string') return null;
  return Number.isNaN(atMs) ? null : { device: DeviceId, circleId: GeofenceId, what, atMs };
}
