/**
 * A local HTTP server that speaks the wire shapes of Amazon Location (REST-JSON, model 2020-11-19) and enforces its
 * limits: items of a batch, patterns of names, ranges of positions and radii, requests a second. Members are checked
 * before a resource is looked up, as the service does. It can be told to throttle, to fail single devices within an
 * answer of 200, to be slow, or to be away; what it says in errors repeats what it was sent, as services do.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  Collection,
  type Geofence,
  type GeofenceEvent,
  metres,
  Tracker,
  type Update,
} from './testLocationState.ts';

type Body = Readonly<Record<string, unknown>>;

export interface LocationRequest {
  readonly operation: string;
  /** How many items it carried. */
  readonly items: number;
  readonly atMs: number;
}

export interface TestLocationServer {
  readonly url: string;
  /** How it behaves; `fail` answers 500, `away` closes the connection, `hang` says nothing. */
  behaviour: 'well' | 'throttle' | 'fail' | 'away' | 'hang' | 'deny';
  /** Requests of one operation that it takes in any second. */
  requestsPerS: number;
  /** The code with which one item of a batch fails, or null. */
  failItem: (operation: string, id: string) => string | null;
  readonly requests: LocationRequest[];
  readonly trackers: Map<string, Tracker>;
  readonly collections: Map<string, Collection>;
  /** EventBridge. */
  onEvent: (event: GeofenceEvent) => void;
  locate(ipv4: string, position: readonly [lon: number, lat: number], proxy?: boolean): void;
  close(): Promise<void>;
}

class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const invalid = (what: string, value: unknown): Refusal =>
  new Refusal(400, 'ValidationException', `${what} failed to satisfy constraint: ${JSON.stringify(value)}`);
const NAME = /^[-._\w]{1,100}$/;
const ID = /^[-._\p{L}\p{N}]{1,100}$/u;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/;

const checkTime = (value: unknown): number => {
  if (typeof value !== 'string' || !TIME.test(value)) throw invalid('time', value);
  return Date.parse(value);
};
const checkId = (value: unknown): string => {
  if (typeof value !== 'string' || !ID.test(value)) throw invalid('id', value);
  return value;
};
const checkPosition = (value: unknown): readonly [number, number] => {
  const [lon, lat, more] = Array.isArray(value) ? (value as unknown[]) : [];
  const right =
    typeof lon === 'number' && typeof lat === 'number' && Math.abs(lon) <= 180 && Math.abs(lat) <= 90;
  if (!right || more !== undefined) throw invalid('position', value);
  return [lon, lat];
};
const checkItems = (value: unknown, max: number): readonly Body[] => {
  if (!Array.isArray(value) || value.length < 1 || value.length > max)
    throw invalid(`a list of 1 to ${max}`, value);
  return value as Body[];
};
const checkUpdate = (value: Body): Update => {
  checkId(value.DeviceId);
  checkTime(value.SampleTime);
  checkPosition(value.Position);
  const accuracy = (value.Accuracy as { Horizontal?: unknown } | undefined)?.Horizontal;
  if (value.Accuracy !== undefined && !(typeof accuracy === 'number' && accuracy >= 0 && accuracy <= 1e7))
    throw invalid('accuracy', value.Accuracy);
  return value as unknown as Update;
};
const checkFence = (value: Body): Geofence => {
  checkId(value.GeofenceId);
  const { Circle } = (value.Geometry ?? {}) as { Circle?: Body };
  checkPosition(Circle?.Center);
  const radius = Circle?.Radius;
  if (!(typeof radius === 'number' && radius > 0 && radius <= 100_000)) throw invalid('radius', radius);
  return value as unknown as Geofence;
};

interface Route {
  readonly operation: string;
  readonly method: 'GET' | 'POST';
  readonly path: RegExp;
}
const NAMED = '([^/]+)';
const ROUTES: readonly Route[] = (
  [
    ['CreateTracker', 'POST', '/tracking/v0/trackers'],
    ['DescribeTracker', 'GET', `/tracking/v0/trackers/${NAMED}`],
    ['BatchUpdateDevicePosition', 'POST', `/tracking/v0/trackers/${NAMED}/positions`],
    ['BatchDeleteDevicePositionHistory', 'POST', `/tracking/v0/trackers/${NAMED}/delete-positions`],
    ['GetDevicePositionHistory', 'POST', `/tracking/v0/trackers/${NAMED}/devices/${NAMED}/list-positions`],
    ['VerifyDevicePosition', 'POST', `/tracking/v0/trackers/${NAMED}/positions/verify`],
    ['CreateGeofenceCollection', 'POST', '/geofencing/v0/collections'],
    ['DescribeGeofenceCollection', 'GET', `/geofencing/v0/collections/${NAMED}`],
    ['BatchPutGeofence', 'POST', `/geofencing/v0/collections/${NAMED}/put-geofences`],
    ['BatchDeleteGeofence', 'POST', `/geofencing/v0/collections/${NAMED}/delete-geofences`],
    ['ListGeofences', 'POST', `/geofencing/v0/collections/${NAMED}/list-geofences`],
    ['BatchEvaluateGeofences', 'POST', `/geofencing/v0/collections/${NAMED}/positions`],
  ] as const
).map(([operation, method, path]) => ({ operation, method, path: new RegExp(`^${path}$`) }));

const now = (): string => new Date().toISOString();
const itemsIn = (body: Body): number =>
  Math.max(1, ...Object.values(body).map(value => (Array.isArray(value) ? value.length : 0)));

export async function testLocationServer(): Promise<TestLocationServer> {
  const networks = new Map<string, { position: readonly [number, number]; proxy: boolean }>();
  const { trackers, collections } = {
    trackers: new Map<string, Tracker>(),
    collections: new Map<string, Collection>(),
  };

  const found = <T>(things: Map<string, T>, name: string): T => {
    const thing = things.get(name);
    if (!thing) throw new Refusal(404, 'ResourceNotFoundException', `${name} does not exist`);
    return thing;
  };
  const create = <T>(things: Map<string, T>, name: unknown, thing: T): void => {
    if (typeof name !== 'string' || !NAME.test(name)) throw invalid('name', name);
    if (things.has(name)) throw new Refusal(409, 'ConflictException', `${name} exists`);
    things.set(name, thing);
  };
  /** Items that fail by themselves; the others are handed on. */
  const each = <I>(
    operation: string,
    items: readonly I[],
    idOf: (item: I) => string,
    work: (item: I) => string | null,
  ): { item: I; Error: { Code: string; Message: string } }[] =>
    items.flatMap(item => {
      const Code = server.failItem(operation, idOf(item)) ?? work(item);
      return Code === null ? [] : [{ item, Error: { Code, Message: `failed: ${JSON.stringify(item)}` } }];
    });

  const handlers: Readonly<Record<string, (names: readonly string[], body: Body) => unknown>> = {
    CreateTracker(_, body) {
      create(trackers, body.TrackerName, new Tracker());
      return { TrackerName: body.TrackerName, TrackerArn: 'arn:aws:geo:::tracker/test', CreateTime: now() };
    },
    DescribeTracker([name = '']) {
      found(trackers, name);
      const times = { CreateTime: now(), UpdateTime: now() };
      return { TrackerName: name, TrackerArn: 'arn:aws:geo:::tracker/test', Description: '', ...times };
    },
    CreateGeofenceCollection(_, body) {
      create(collections, body.CollectionName, new Collection());
      const CollectionArn = 'arn:aws:geo:::geofence-collection/test';
      return { CollectionName: body.CollectionName, CollectionArn, CreateTime: now() };
    },
    DescribeGeofenceCollection([name = '']) {
      found(collections, name);
      const times = { CreateTime: now(), UpdateTime: now() };
      const CollectionArn = 'arn:aws:geo:::geofence-collection/test';
      return { CollectionName: name, CollectionArn, Description: '', ...times };
    },
    BatchUpdateDevicePosition([name = ''], body) {
      const updates = checkItems(body.Updates, 10).map(checkUpdate);
      const tracker = found(trackers, name);
      const failed = each(
        'BatchUpdateDevicePosition',
        updates,
        one => one.DeviceId,
        one => {
          tracker.update(one);
          return null;
        },
      );
      const Errors = failed.map(({ item, Error: error }) => ({
        DeviceId: item.DeviceId,
        SampleTime: item.SampleTime,
        Error: error,
      }));
      return { Errors };
    },
    GetDevicePositionHistory([name = '', device = ''], body) {
      checkId(device);
      const fromMs = body.StartTimeInclusive === undefined ? 0 : checkTime(body.StartTimeInclusive);
      const untilMs =
        body.EndTimeExclusive === undefined ? Number.POSITIVE_INFINITY : checkTime(body.EndTimeExclusive);
      const max = Number(body.MaxResults ?? 100);
      if (!(max >= 1 && max <= 100)) throw invalid('MaxResults', max);
      if (fromMs >= untilMs) throw invalid('EndTimeExclusive', body.EndTimeExclusive);
      const all = found(trackers, name).history(device, fromMs, untilMs);
      const from = Number(body.NextToken ?? 0);
      const DevicePositions = all.slice(from, from + max).map(one => ({ ...one, ReceivedTime: now() }));
      return { DevicePositions, ...(from + max < all.length && { NextToken: String(from + max) }) };
    },
    BatchDeleteDevicePositionHistory([name = ''], body) {
      const ids = checkItems(body.DeviceIds, 100).map(checkId);
      const tracker = found(trackers, name);
      const failed = each(
        'BatchDeleteDevicePositionHistory',
        ids,
        id => id,
        id => (tracker.forget(id) ? null : 'ResourceNotFoundError'),
      );
      return { Errors: failed.map(({ item, Error: error }) => ({ DeviceId: item, Error: error })) };
    },
    VerifyDevicePosition([name = ''], body) {
      const state = checkUpdate((body.DeviceState ?? {}) as Body) as Update & { Ipv4Address?: string };
      found(trackers, name);
      const network = networks.get(state.Ipv4Address ?? '');
      const inKm = body.DistanceUnit !== 'Miles';
      const distance = network ? metres(network.position, state.Position) / (inKm ? 1_000 : 1_609.344) : null;
      return {
        InferredState: {
          ProxyDetected: network?.proxy ?? false,
          ...(network && { Position: network.position, DeviationDistance: distance }),
        },
        DeviceId: state.DeviceId,
        SampleTime: state.SampleTime,
        ReceivedTime: now(),
        DistanceUnit: inKm ? 'Kilometers' : 'Miles',
      };
    },
    BatchPutGeofence([name = ''], body) {
      const fences = checkItems(body.Entries, 10).map(checkFence);
      const collection = found(collections, name);
      const failed = each(
        'BatchPutGeofence',
        fences,
        one => one.GeofenceId,
        one => {
          collection.put(one);
          return null;
        },
      );
      const bad = new Set(failed.map(one => one.item));
      const times = { CreateTime: now(), UpdateTime: now() };
      return {
        Successes: fences.filter(one => !bad.has(one)).map(one => ({ GeofenceId: one.GeofenceId, ...times })),
        Errors: failed.map(({ item, Error: error }) => ({ GeofenceId: item.GeofenceId, Error: error })),
      };
    },
    BatchDeleteGeofence([name = ''], body) {
      const ids = checkItems(body.GeofenceIds, 10).map(checkId);
      const collection = found(collections, name);
      const failed = each(
        'BatchDeleteGeofence',
        ids,
        id => id,
        id => (collection.delete(id) ? null : 'ResourceNotFoundError'),
      );
      return { Errors: failed.map(({ item, Error: error }) => ({ GeofenceId: item, Error: error })) };
    },
    ListGeofences([name = ''], body) {
      const max = Number(body.MaxResults ?? 100);
      if (!(max >= 1 && max <= 100)) throw invalid('MaxResults', max);
      const { fences } = found(collections, name);
      const from = Number(body.NextToken ?? 0);
      const times = { CreateTime: now(), UpdateTime: now() };
      const Entries = fences.slice(from, from + max).map(one => ({ Status: 'ACTIVE', ...one, ...times }));
      return { Entries, ...(from + max < fences.length && { NextToken: String(from + max) }) };
    },
    BatchEvaluateGeofences([name = ''], body) {
      const updates = checkItems(body.DevicePositionUpdates, 10).map(checkUpdate);
      const collection = found(collections, name);
      const failed = each(
        'BatchEvaluateGeofences',
        updates,
        one => one.DeviceId,
        one => {
          for (const event of collection.evaluate(one)) server.onEvent(event);
          return null;
        },
      );
      const Errors = failed.map(({ item, Error: error }) => ({
        DeviceId: item.DeviceId,
        SampleTime: item.SampleTime,
        Error: error,
      }));
      return { Errors };
    },
  };

  const answer = (incoming: IncomingMessage, text: string): unknown => {
    const path = decodeURIComponent(new URL(incoming.url ?? '', 'http://here').pathname);
    for (const route of ROUTES) {
      const names = route.method === incoming.method ? route.path.exec(path)?.slice(1) : undefined;
      if (!names) continue;
      const body = (text === '' ? {} : JSON.parse(text)) as Body;
      const { operation } = route;
      const atMs = performance.now();
      const recent = server.requests.filter(one => one.operation === operation && one.atMs > atMs - 1_000);
      server.requests.push({ operation, items: itemsIn(body), atMs });
      if (!/^AWS4-HMAC-SHA256 Credential=\S+\/geo\/aws4_request/.test(incoming.headers.authorization ?? ''))
        throw new Refusal(403, 'AccessDeniedException', 'not signed for this service');
      if (server.behaviour === 'deny')
        throw new Refusal(403, 'AccessDeniedException', `not for you: ${text}`);
      if (server.behaviour === 'fail') throw new Refusal(500, 'InternalServerException', `broken: ${text}`);
      if (server.behaviour === 'throttle' || recent.length >= server.requestsPerS)
        throw new Refusal(429, 'ThrottlingException', `slow down: ${text}`);
      if (names.length > 0 && !NAME.test(names[0] ?? '')) throw invalid('name', names[0]);
      return handlers[operation]?.(names, body);
    }
    throw new Refusal(404, 'UnknownOperationException', `${incoming.method} ${path}`);
  };

  const handle = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    if (server.behaviour === 'away') return void incoming.socket.destroy();
    if (server.behaviour === 'hang') return;
    try {
      const body = JSON.stringify(answer(incoming, Buffer.concat(chunks).toString()));
      outgoing.writeHead(200, { 'content-type': 'application/json' }).end(body);
    } catch (error) {
      const { status, code, message } =
        error instanceof Refusal ? error : new Refusal(500, 'Bug', String(error));
      const headers = { 'content-type': 'application/json', 'x-amzn-errortype': code };
      outgoing.writeHead(status, headers).end(JSON.stringify({ message }));
    }
  };
  const http = createServer((incoming, outgoing) => void handle(incoming, outgoing));
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve));
  const server: TestLocationServer = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    behaviour: 'well',
    requestsPerS: Number.POSITIVE_INFINITY,
    failItem: () => null,
    requests: [],
    trackers,
    collections,
    onEvent: () => {},
    locate: (ipv4, position, proxy = false) => networks.set(ipv4, { position, proxy }),
    close: () =>
      new Promise(resolve => {
        http.close(() => resolve());
        http.closeAllConnections();
      }),
  };
  return server;
}
