/**
 * What the local location service of the tests remembers, after the published model of Amazon Location (2020-11-19):
 * trackers that keep positions (at most one in 30 s and device, as `TimeBased` filtering does), geofence collections
 * that remember who is inside, and where networks are. It shares no code with the adapter.
 */

export interface Update {
  readonly DeviceId: string;
  readonly SampleTime: string;
  readonly Position: readonly [lon: number, lat: number];
  readonly Accuracy?: { readonly Horizontal: number };
}

export interface Geofence {
  readonly GeofenceId: string;
  readonly Geometry: {
    readonly Circle: { readonly Center: readonly [number, number]; readonly Radius: number };
  };
}

/** As EventBridge delivers it. */
export interface GeofenceEvent {
  readonly version: '0';
  readonly id: string;
  readonly 'detail-type': 'Location Geofence Event';
  readonly source: 'aws.geo';
  readonly account: string;
  readonly time: string;
  readonly region: string;
  readonly resources: readonly string[];
  readonly detail: Update & { readonly EventType: 'ENTER' | 'EXIT'; readonly GeofenceId: string };
}

const FILTER_MS = 30_000;

/** Metres, by the spherical law of cosines with chords: another formula than the adapter's twin uses. */
export function metres(a: readonly [number, number], b: readonly [number, number]): number {
  const unit = ([lon, lat]: readonly [number, number]): [number, number, number] => {
    const [x, y] = [(lon * Math.PI) / 180, (lat * Math.PI) / 180];
    return [Math.cos(y) * Math.cos(x), Math.cos(y) * Math.sin(x), Math.sin(y)];
  };
  const [p, q] = [unit(a), unit(b)];
  return 2 * 6_371_000 * Math.asin(Math.min(1, Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]) / 2));
}

export class Tracker {
  readonly #byDevice = new Map<string, Update[]>();

  get devices(): readonly string[] {
    return [...this.#byDevice.keys()];
  }

  update(update: Update): void {
    const kept = this.#byDevice.get(update.DeviceId) ?? [];
    const at = Date.parse(update.SampleTime);
    this.#byDevice.set(update.DeviceId, kept);
    if (kept.some(one => Math.abs(Date.parse(one.SampleTime) - at) < FILTER_MS)) return;
    kept.push(update);
    kept.sort((a, b) => Date.parse(a.SampleTime) - Date.parse(b.SampleTime));
  }

  history(device: string, fromMs: number, untilMs: number): readonly Update[] {
    return (this.#byDevice.get(device) ?? []).filter(one => {
      const at = Date.parse(one.SampleTime);
      return at >= fromMs && at < untilMs;
    });
  }

  forget(device: string): boolean {
    return this.#byDevice.delete(device);
  }
}

export class Collection {
  readonly #fences = new Map<string, Geofence>();
  readonly #inside = new Map<string, Set<string>>();
  #events = 0;

  get fences(): readonly Geofence[] {
    return [...this.#fences.values()];
  }

  put(fence: Geofence): void {
    this.#fences.set(fence.GeofenceId, fence);
  }

  delete(id: string): boolean {
    return this.#fences.delete(id);
  }

  /** What EventBridge hears of it. */
  evaluate(update: Update): GeofenceEvent[] {
    const inside = this.#inside.get(update.DeviceId) ?? new Set<string>();
    this.#inside.set(update.DeviceId, inside);
    const events: GeofenceEvent[] = [];
    for (const { GeofenceId, Geometry } of this.#fences.values()) {
      const { Center, Radius } = Geometry.Circle;
      const isIn = metres(Center, update.Position) <= Radius;
      if (isIn === inside.has(GeofenceId)) continue;
      if (isIn) inside.add(GeofenceId);
      else inside.delete(GeofenceId);
      events.push(this.#eventOf(update, GeofenceId, isIn ? 'ENTER' : 'EXIT'));
    }
    return events;
  }

  #eventOf(update: Update, GeofenceId: string, EventType: 'ENTER' | 'EXIT'): GeofenceEvent {
    return {
      version: '0',
      id: `event-${++this.#events}`,
      'detail-type': 'Location Geofence Event',
      source: 'aws.geo',
      account: '123456789012',
      time: update.SampleTime,
      region: 'us-east-1',
      resources: ['arn:aws:geo:us-east-1:123456789012:geofence-collection/test'],
      detail: { EventType, GeofenceId, ...update },
    };
  }
}
