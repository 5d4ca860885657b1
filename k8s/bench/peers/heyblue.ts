/**
 * A real node for a comparison: the real doors and sockets, the real sessions, the real runtime and the real actors, with
 * the stores in memory, because what is measured here waits for none of them. Rate limits are off, all else is as shipped.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { areaBehaviour } from '../../../actors/area.ts';
import { budgetBehaviour } from '../../../actors/budget.ts';
import { offerBehaviour } from '../../../actors/offer.ts';
import { pairBehaviour } from '../../../actors/pair.ts';
import { regionBehaviour } from '../../../actors/region.ts';
import { DEFAULT_RULES } from '../../../actors/rules.ts';
import { userBehaviour } from '../../../actors/user.ts';
import { createTokens } from '../../../gateway/auth/tokens.ts';
import { createGateway } from '../../../gateway/index.ts';
import { systemClock, systemScheduler } from '../../../infra/clock.ts';
import { systemRandom } from '../../../infra/random.ts';
import { createMetrics } from '../../../infra/telemetry/index.ts';
import type { ActorDoor, SessionRef } from '../../../nodes/gatewayPort.ts';
import { MemoryLedger } from '../../../nodes/memory/memoryLedger.ts';
import { MemoryNotes } from '../../../nodes/memory/memoryNotes.ts';
import { MemoryPeople } from '../../../nodes/memory/memoryPeople.ts';
import { MemoryRevocations } from '../../../nodes/memory/memoryRevocations.ts';
import { createNode, type TownNode } from '../../../nodes/node.ts';
import type { Log } from '../../../nodes/ports.ts';
import { builtInRules } from '../../../nodes/rules/builtIn.ts';
import { EVENTS, encodeServerFrame, ok } from '../../../protocol/index.ts';
import type { PhoneIdentity } from '../../swarm/phone.ts';
import { movementId, pointsChanged, REASON } from './event.ts';
import type { Load, Memory, Told } from './load.ts';
import { serve, type Way } from './server.ts';
import { stampOf } from './stamp.ts';

const PHONES = Number(process.argv[2]);
const CONNECTIONS = 1_000_000;
/** Longer than any run. */
const TOKEN_S = 3_600;
const GATEWAY = randomBytes(8).toString('hex');

const error = (fields: object, message: string): void => {
  process.stderr.write(`${message} ${JSON.stringify(fields)}\n`);
};
// Warnings of slow slices belong to a server that is kept at its limit on purpose.
const log: Log = { debug: () => {}, info: () => {}, warn: () => {}, error };

const clock = systemClock();
const random = systemRandom();
const metrics = createMetrics();
const ledger = new MemoryLedger(Date.now);
const notes = new MemoryNotes(shard => ledger.epochOf(shard), Date.now, ledger);
const store = new MemoryPeople(ledger, random, Date.now, notes);
const signingKeys = [{ kid: 'bench', ...generateKeyPairSync('ed25519') }];

/** Who the phones are, and under which session each is here now. */
const people: PhoneIdentity[] = [];
const numbers = new Map<string, number>();
const sessions: (readonly SessionRef[])[] = [];
const tokens = createTokens(signingKeys, TOKEN_S);
for (let i = 0; i < PHONES; i++) {
  const who = { kind: 'civilian', handle: `person${i}`, deviceId: `device${i}` } as const;
  const made = await store.createUser({ ...who, passwordHash: '', zip: null, badge: null });
  if (!made.ok) throw new Error(made.message);
  const { userId } = made.value;
  numbers.set(userId, i);
  people.push({ userId, deviceId: who.deviceId, token: await tokens.mint({ userId, ...who }) });
}

let node: TownNode;
const door: ActorDoor = {
  ask: (to, message, done, options) => {
    const said = message as { type: string; session?: SessionRef };
    if (said.type === 'attach') sessions[numbers.get(to.id)!] = [said.session!];
    node.door.ask(to, message, done, options);
  },
  tell: (to, message, options) => node.door.tell(to, message, options),
};
const gateway = createGateway({
  gatewayId: GATEWAY,
  door,
  directory: store,
  revocationStore: new MemoryRevocations(Date.now),
  idValidator: { validate: async () => ok(true) },
  clock,
  log,
  metrics,
  signingKeys,
  tokenTtlS: TOKEN_S,
  host: '127.0.0.1',
  restPort: 0,
  realtimePort: 0,
  adminPort: 0,
  origins: [],
  connectionsPerAddress: CONNECTIONS,
  handshakesPerS: CONNECTIONS,
  trustedProxyHops: 0,
  rates: null,
  exposeMetrics: () => metrics.expose(),
});

const user = userBehaviour(DEFAULT_RULES, { newest: 1, masters: new Map([[1, randomBytes(32)]]) });
let told = 0;
let heard = 0;
node = createNode({
  nodeId: 'bench',
  gatewayId: GATEWAY,
  version: '0.0.0',
  weight: 1,
  behaviours: {
    user: {
      ...user,
      receive: (state, message, turn) => {
        if (message.type === 'credited') heard++;
        return user.receive(state, message, turn);
      },
    },
    region: regionBehaviour(DEFAULT_RULES.proximity),
    area: areaBehaviour(DEFAULT_RULES.area),
    pair: pairBehaviour(DEFAULT_RULES),
    offer: offerBehaviour(),
    budget: budgetBehaviour(),
  },
  commitStore: ledger,
  queryStore: store,
  rules: builtInRules(DEFAULT_RULES),
  epochStore: ledger,
  noteStore: notes,
  sink: gateway.sink,
  clock,
  scheduler: systemScheduler,
  random,
  log,
  metrics,
  cluster: null,
});

let moved = 0;
const versions = new Uint32Array(PHONES);

/** The whole way: points came to a user, the actor counts them, keeps the event, and its phone hears of it. */
const actor: Way = {
  say: (phone, stamp) => {
    told++;
    const credit = {
      transferId: movementId(++moved),
      points: 1,
      balance: stamp,
      balanceVersion: ++versions[phone]!,
      reason: REASON,
    };
    node.door.tell({ kind: 'user', id: people[phone]!.userId }, { type: 'credited', credit });
  },
  waiting: () => told - heard,
};

const nth = new Uint32Array(PHONES);

/** The sockets alone, as far as a peer goes: bytes to the session that they are for. */
const sockets: Way = {
  say: (phone, stamp) => {
    const bytes = pointsChanged(random.uuid(Date.now()), ++nth[phone]!, movementId(++moved), stamp);
    gateway.sink.push(sessions[phone]!, bytes, 'durable');
  },
};

const AREA = EVENTS['area.officers'].code;
const TICK_MS = 10;
let loading: NodeJS.Timeout | null = null;

/** Events and volatile frames for everybody, until it is told to stop. */
const load = ({ eventsPerS, volatileBytes, volatileMs }: Load): void => {
  const began = performance.now();
  const part = new Uint8Array(volatileBytes / 16);
  const body = [Array.from({ length: 16 }, () => part)];
  let said = 0;
  let shown = 0;
  loading = setInterval(() => {
    const passedMs = performance.now() - began;
    const dueEvents = Math.floor((passedMs * eventsPerS) / 1_000);
    for (; said < dueEvents; said++) actor.say(said % PHONES, stampOf(began + (said * 1_000) / eventsPerS));
    const dueShown = Math.floor((passedMs * PHONES) / volatileMs);
    const version = Date.now();
    const frame = encodeServerFrame({ type: 'volatile', kind: AREA, key: 'bench', version, body });
    for (; shown < dueShown; shown++) gateway.sink.push(sessions[shown % PHONES]!, frame, 'volatile');
  }, TICK_MS);
};

const other = async (order: { readonly type: string }): Promise<object> => {
  switch (order.type) {
    case 'load':
      load(order as Load);
      return {};
    case 'unload':
      clearInterval(loading!);
      return { told: [...versions] } satisfies Told;
    default: {
      if (order.type === 'collect') globalThis.gc?.();
      const { text } = await metrics.expose();
      const closed = /^rt_close_total\{code="4102"[^}]*\} (\d+)/m.exec(text);
      const memory: Memory = { rss: process.memoryUsage.rss(), slowClosed: Number(closed?.[1] ?? 0) };
      return memory;
    }
  }
};

const { realtimePort } = await gateway.start();
await node.start();
serve(`ws://127.0.0.1:${realtimePort}/v1/ws`, people, { actor, sockets }, other);
