/** Several tills of one merchant, and who is there for whom, over real sockets. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CLOSE } from '../../protocol/index.ts';
import { Phone, type PhoneIdentity } from '../swarm/phone.ts';
import { startTestTown, type TestPhone, type TestTown, until } from './testTown.ts';

let town: TestTown;
beforeAll(async () => {
  town = await startTestTown();
});
afterAll(() => town?.stop());

interface Granted {
  readonly userId: string;
  readonly accessToken: string;
}

class Till {
  readonly phone: Phone;
  closed: number | null = null;

  constructor(identity: PhoneIdentity) {
    this.phone = new Phone({
      url: town.node.urls.realtime,
      identity,
      onClose: code => {
        this.closed = code;
      },
    });
  }
}

it('a merchant signs in on each till; five are attached, a sixth is refused, the same one replaces itself', async () => {
  const shop = { handle: `shop-${crypto.randomUUID().slice(0, 8)}`, password: 'a-good-password' };
  const ask = (path: string, body: object) => town.rest.call<Granted>('POST', path, { body });
  await ask('/v1/signup', { ...shop, kind: 'merchant', deviceId: 'till-1' });
  const till = async (deviceId: string): Promise<Till> => {
    const { status, body } = await ask('/v1/signin', { ...shop, deviceId });
    expect(status).toBe(200);
    return new Till({ userId: body.userId, token: body.accessToken, deviceId });
  };
  const tills: Till[] = [];
  for (let n = 1; n <= 5; n++) {
    const one = await till(`till-${n}`);
    await one.phone.connect();
    tills.push(one);
  }
  const sixth = await till('till-6');
  await expect(sixth.phone.connect()).rejects.toThrow(String(CLOSE.tooManySessions));
  const again = await till('till-3');
  await again.phone.connect();
  await until('the older one to be replaced', () => tills[2]!.closed === CLOSE.replaced);
  expect(tills.map(one => one.phone.isConnected)).toEqual([true, true, false, true, true]);
  again.phone.close();
  await until('the sixth to find a place', () =>
    sixth.phone.connect().then(
      () => true,
      () => false,
    ),
  );
  for (const one of [...tills, sixth]) one.phone.drop();
});

const seen = (phone: TestPhone): unknown[] =>
  phone.volatiles.filter(frame => frame.name === 'peer.presence').map(frame => frame.body);

it('the other side of a hey sees a goodbye at once, a loss not before its grace, and who comes back', async () => {
  const officer = await town.phone('officer', 0, 0);
  const civilian = await town.phone('civilian', 10, 0);
  await officer.arrive();
  await civilian.arrive();
  await civilian.sees(officer);
  await civilian.must('hey.say', { officerId: officer.person.userId });
  await officer.event('hey.received');
  officer.phone.drop();
  await until('the socket to be gone', () => officer.closed !== null);
  await officer.connect(true);
  expect(seen(civilian)).toEqual([]);
  officer.phone.close();
  await until('a word of it', () => seen(civilian).length === 1);
  expect(seen(civilian)[0]).toMatchObject({ state: 'offline' });
  await officer.connect(true);
  await until('his return', () => seen(civilian).length === 2);
  expect(seen(civilian)[1]).toEqual({ state: 'online', lastSeenMin: 0 });
  const { text } = await fetch(`${town.node.urls.admin}/metrics`).then(async answer => ({
    text: await answer.text(),
  }));
  expect(text).toMatch(/rt_sessions_by_presence\{presence="online"\} [1-9]/);
  expect(text).toMatch(/rt_presence_edges_total\{to="offline"\} [1-9]/);
});
