/** Amazon Location behind the port: the contract over its wire shapes, its quota, and its bad days. */
import { afterEach, describe, expect, it } from 'vitest';
import { locationContract } from '../../nodes/contracts/locationPort.contract.ts';
import { opinionOf, type PositionSample } from '../../nodes/locationPort.ts';
import { circleOf, PlaceCircles } from '../../nodes/placeCircles.ts';
import { Fences, type Place } from '../../nodes/placesPort.ts';
import { AmazonLocation } from './amazonLocation.ts';
import { testLocationServer } from './testLocationServer.ts';
import type { GeofenceEvent } from './testLocationState.ts';
import { locationWorld, NOW_MS } from './testTown.ts';

const CREDENTIALS = { accessKeyId: 'heyblue', secretAccessKey: 'heyblue' };
const HISTORY_MS = 72 * 3_600_000;
const COORDINATE = /4078|40\.78|7396|73\.96/;

const optionsOf = (world: ReturnType<typeof locationWorld>, endpoint: string) => ({
  ...world,
  endpoint,
  region: 'us-east-1',
  credentials: CREDENTIALS,
  tracker: 'heyblue',
  collection: 'heyblue-places',
  requestsPerS: 100_000,
  historyMs: HISTORY_MS,
});

locationContract('Amazon Location', async () => {
  const world = locationWorld();
  const server = await testLocationServer();
  const ports: AmazonLocation[] = [];
  const another = () => {
    const port = new AmazonLocation(optionsOf(world, server.url));
    ports.push(port);
    return port;
  };
  const port = another();
  server.onEvent = event => port.absorb(event);
  return {
    port,
    another,
    uuid: world.uuid,
    nowMs: NOW_MS,
    locate: (ipv4, { latE7, lngE7 }) => server.locate(ipv4, [lngE7 / 1e7, latE7 / 1e7]),
    said: world.said,
    close: async () => {
      await Promise.all(ports.map(one => one.close(1_000)));
      await server.close();
    },
  };
});

describe('Amazon Location', () => {
  const closers: (() => void | Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  const town = async (change: { requestsPerS?: number; requestMsMax?: number } = {}) => {
    const world = locationWorld();
    const server = await testLocationServer();
    const port = new AmazonLocation({ ...optionsOf(world, server.url), ...change });
    closers.push(
      () => server.close(),
      () => port.close(0),
    );
    const counted = (key: string) => world.counted.get(key) ?? 0;
    const sent = (operation: string) => server.requests.filter(one => one.operation === operation);
    return { world, server, port, counted, sent };
  };
  const sample = (userId: string, takenAtMs = NOW_MS): PositionSample => ({
    userId,
    takenAtMs,
    latE7: 407_812_345,
    lngE7: -739_665_432,
    accuracyDm: 85,
  });

  it('makes tracker and collection once, sends tens, and names nobody', async () => {
    const { world, server, port, sent, counted } = await town();
    const people = Array.from({ length: 34 }, () => world.uuid());
    for (const one of people) port.sample(sample(one));
    await port.settled();
    expect(sent('CreateTracker')).toHaveLength(1);
    expect(sent('CreateGeofenceCollection')).toHaveLength(1);
    expect(sent('BatchUpdateDevicePosition').map(one => one.items)).toEqual([10, 10, 10, 4]);
    const devices = server.trackers.get('heyblue')?.devices ?? [];
    expect(devices).toHaveLength(34);
    for (const device of devices) expect(device).toMatch(/^[0-9a-f]{32}$/);
    expect(counted('heyblue_location_samples_total kept')).toBe(34);
  });

  it('reads the errors of an answer of 200: passing ones again, others counted', async () => {
    const { world, server, port, counted } = await town();
    const failures = new Map<string, number>();
    server.failItem = (operation, id) => {
      if (operation !== 'BatchUpdateDevicePosition') return null;
      if (id < '4') return 'ValidationError';
      if (id < '8') return null;
      const before = failures.get(id) ?? 0;
      failures.set(id, before + 1);
      return before < 2 ? 'ThrottlingError' : null;
    };
    const people = Array.from({ length: 60 }, () => world.uuid());
    for (const one of people) port.sample(sample(one));
    await port.settled();
    const wrong = people.filter(one => world.pseudonyms.of(one, NOW_MS) < '4').length;
    expect(server.trackers.get('heyblue')?.devices).toHaveLength(60 - wrong);
    expect(counted('heyblue_location_samples_total kept')).toBe(60 - wrong);
    expect(counted('heyblue_location_samples_total failed')).toBe(wrong);
    expect(world.said()).not.toMatch(COORDINATE);
  });

  it('gives up a device that fails each time', async () => {
    const { world, server, port, counted } = await town();
    server.failItem = () => 'InternalServerError';
    port.sample(sample(world.uuid()));
    await port.settled();
    expect(counted('heyblue_location_samples_total failed')).toBe(1);
  });

  it('keeps within the quota of the account, whatever comes', async () => {
    const { world, server, port, counted, sent } = await town({ requestsPerS: 50 });
    // on their way some catch up with others; that not even the first ones are too many, sampleQueue.test.ts says
    server.requestsPerS = 60;
    for (let i = 0; i < 1_200; i++) port.sample(sample(world.uuid()));
    await port.settled();
    expect(counted('heyblue_location_samples_total kept')).toBe(1_200);
    const throttled = counted('heyblue_location_requests_total BatchUpdateDevicePosition throttled');
    expect(sent('BatchUpdateDevicePosition')).toHaveLength(120 + throttled);
    expect(throttled).toBeLessThan(10);
  });

  it('throttled all the same, it slows down and loses nothing', async () => {
    const { world, server, port, counted } = await town({ requestsPerS: 200 });
    server.requestsPerS = 20;
    for (let i = 0; i < 300; i++) port.sample(sample(world.uuid()));
    await port.settled();
    expect(counted('heyblue_location_requests_total BatchUpdateDevicePosition throttled')).toBeGreaterThan(0);
    expect(counted('heyblue_location_samples_total kept')).toBe(300);
    expect(world.said()).not.toMatch(COORDINATE);
  });

  it.each(['away', 'hang', 'fail', 'throttle'] as const)(
    'the service %s: sampling returns at once, memory is bounded, callers are told, it catches up',
    async how => {
      const { world, server, port, counted } = await town({ requestMsMax: 250 });
      const [first, second] = [world.uuid(), world.uuid()];
      port.sample(sample(first));
      await port.settled();
      server.behaviour = how;
      for (let i = 0; i < 12_000; i++) port.sample(sample(world.uuid()));
      port.sample(sample(second, NOW_MS - 60_000));
      expect(counted('heyblue_location_samples_total full')).toBeGreaterThan(1_900);
      const calls = [
        port.history(first, 0, NOW_MS + 1),
        port.forget(second),
        port.putCircles([{ id: 'hub', latE7: 407_812_345, lngE7: -739_665_432, radiusM: 50 }]),
        port.verify({ ...sample(first), ipv4: '203.0.113.7' }),
      ];
      for (const failure of await Promise.all(calls.map(call => call.catch(error => error)))) {
        expect(failure).toMatchObject({ name: 'LocationFailure', fault: 'unavailable' });
        expect(`${failure.stack} ${JSON.stringify(failure)} ${failure.cause}`).not.toMatch(COORDINATE);
      }
      server.behaviour = 'well';
      expect(await port.history(first, 0, NOW_MS + 1)).toHaveLength(1);
      expect(world.said()).not.toMatch(COORDINATE);
    },
  );

  it('credentials that may not: callers are told at once, and no attempt is repeated', async () => {
    const { world, server, port, sent } = await town();
    server.behaviour = 'deny';
    await expect(port.history(world.uuid(), NOW_MS - 3_600_000, NOW_MS)).rejects.toMatchObject({
      fault: 'refused',
    });
    expect(sent('GetDevicePositionHistory')).toHaveLength(1);
    expect(world.said()).not.toMatch(COORDINATE);
  });

  it('a tracker that was taken away is made again', async () => {
    const { world, server, port, sent } = await town();
    port.sample(sample(world.uuid()));
    await port.settled();
    server.trackers.clear();
    const userId = world.uuid();
    port.sample(sample(userId));
    await port.settled();
    expect(sent('CreateTracker')).toHaveLength(2);
    expect(await port.history(userId, 0, NOW_MS + 1)).toHaveLength(1);
  });

  it('opting out removes every day that the service may still keep, and what is just under way', async () => {
    const { world, server, port, sent } = await town();
    const userId = world.uuid();
    const tracker = () => server.trackers.get('heyblue')?.devices ?? [];
    for (const days of [29, 10, 0]) {
      port.sample(sample(userId, NOW_MS - days * 86_400_000));
      await port.settled();
    }
    expect(tracker()).toHaveLength(3);
    // the batch is on its way when the person opts out
    port.sample(sample(userId, NOW_MS + 60_000));
    const settled = port.settled();
    server.failItem = (operation, id) =>
      operation === 'BatchDeleteDevicePositionHistory' && id < '8' && sent(operation).length < 3
        ? 'InternalServerError'
        : null;
    await port.forget(userId);
    await settled;
    expect(tracker()).toEqual([]);
    for (const one of sent('BatchDeleteDevicePositionHistory')) expect(one.items).toBeLessThanOrEqual(100);
  });

  it('says when not everything could be removed', async () => {
    const { world, server, port } = await town();
    server.failItem = () => 'AccessDeniedError';
    await expect(port.forget(world.uuid())).rejects.toMatchObject({ fault: 'refused' });
  });

  it('says which circles the service will not have', async () => {
    const { server, port } = await town();
    server.failItem = (_, id) => (id === 'hub-2' ? 'ValidationError' : null);
    const circles = [1, 2, 3].map(n => ({ id: `hub-${n}`, latE7: 0, lngE7: 0, radiusM: 10 }));
    expect(await port.putCircles(circles)).toEqual([{ id: 'hub-2', why: 'ValidationError' }]);
  });

  it('says when a circle could not be removed; one that is not there is fine', async () => {
    const { server, port } = await town();
    await port.putCircles([{ id: 'hub', latE7: 0, lngE7: 0, radiusM: 10 }]);
    await port.deleteCircles(['hub', 'never']);
    server.failItem = () => 'AccessDeniedError';
    await expect(port.deleteCircles(['hub'])).rejects.toMatchObject({ fault: 'refused' });
  });

  it('lists circles that count, and nothing else that lies in the collection', async () => {
    const { server, port } = await town();
    await port.putCircles([{ id: 'hub', latE7: -899_999_999, lngE7: 1_799_999_999, radiusM: 12.5 }]);
    const collection = server.collections.get('heyblue-places')!;
    const [fence] = collection.fences;
    for (const Status of ['FAILED', 'DELETING', 'DELETED'])
      collection.put({ ...fence!, GeofenceId: Status, Status } as never);
    collection.put({ GeofenceId: 'park', Geometry: { Polygon: [[[0, 0]]] } } as never);
    expect(await port.circles()).toEqual([
      { id: 'hub', latE7: -899_999_999, lngE7: 1_799_999_999, radiusM: 12.5 },
    ]);
  });

  it('holds the hubs and merchants of the town, within the quota, whatever single ones answer', async () => {
    const { world, server, port, sent, counted } = await town({ requestsPerS: 50 });
    server.requestsPerS = 60;
    const places = Array.from({ length: 205 }, (_, number): Place => {
      const kind = number % 2 === 0 ? 'hub' : 'merchant';
      const at = { latE7: 407_812_345, lngE7: -739_665_432 + number };
      return { id: world.uuid(), kind, name: 'a place', number, poster: 0, radiusM: 30, ...at };
    });
    let fences = new Fences(places);
    const circles = new PlaceCircles({ ...world, location: port, fences: () => fences, leads: () => true });
    const bad = circleOf(places[7]!).id;
    let once = true;
    server.failItem = (_, id) => {
      if (id === bad) return 'ValidationError';
      if (id !== circleOf(places[8]!).id || !once) return null;
      once = false;
      return 'ThrottlingError';
    };
    await circles.look();
    const ids = () => new Set(server.collections.get('heyblue-places')?.fences.map(one => one.GeofenceId));
    const wanted = new Set(places.map(one => circleOf(one).id).filter(id => id !== bad));
    expect(ids()).toEqual(wanted);
    expect(sent('BatchPutGeofence')).toHaveLength(22);
    expect(counted('heyblue_location_requests_total BatchPutGeofence throttled')).toBe(0);
    // a hub closes
    fences = new Fences(places.slice(1));
    await circles.look();
    wanted.delete(circleOf(places[0]!).id);
    expect(ids()).toEqual(wanted);
    expect(world.said()).toContain(bad);
    expect(world.said()).not.toMatch(COORDINATE);
  });

  it('takes crossings only in their published shape, of people whom it knows', async () => {
    const { world, server, port } = await town();
    const events: GeofenceEvent[] = [];
    server.onEvent = event => events.push(event);
    const heard: unknown[] = [];
    port.onCrossing(crossing => heard.push(crossing));
    await port.putCircles([{ id: 'hub', latE7: 407_812_345, lngE7: -739_665_432, radiusM: 50 }]);
    const userId = world.uuid();
    await port.evaluate([sample(userId)]);
    const [event] = events;
    const spoilt = [null, 7, 'x', {}, { ...event, source: 'me' }, { ...event, detail: null }].concat(
      ['EventType', 'GeofenceId', 'DeviceId', 'SampleTime'].flatMap(name =>
        [undefined, 7, '', 'nobody'].map(value => ({
          ...event,
          detail: { ...event?.detail, [name]: value },
        })),
      ) as never,
    );
    const taken = spoilt.filter(one => port.absorb(one));
    // an id of a circle is any text
    expect(taken).toHaveLength(2);
    expect(port.absorb(event)).toBe(true);
    expect(heard.at(-1)).toEqual({ userId, circleId: 'hub', what: 'enter', atMs: NOW_MS });
  });

  it('a proxy is a sign, wherever the phone says it is', async () => {
    const { world, server, port } = await town();
    server.locate('198.51.100.9', [-73.9665432, 40.7812345], true);
    const verified = await port.verify({ ...sample(world.uuid()), ipv4: '198.51.100.9' });
    expect(verified).toEqual({ proxyDetected: true, deviationM: 0 });
    expect(opinionOf(verified)).toBe('proxy');
  });
});
