/**
 * People who are a burden: some who ask and never read the answers, everybody coming back at once, with or without what they
 * were told last, and one who asks as fast as he can. Slow and hot ones have accounts of their own, so that what they suffer
 * is nobody's loss.
 */

import { Phone } from '../../swarm/phone.ts';
import { seedAccounts } from '../../swarm/seed.ts';
import type { Fault, FaultContext } from '../fault.ts';

const SLOW = 30;
const ASKED_AT_ONCE = 40;
const SLOW_MS_MIN = 8_000;
const SLOW_MS_MAX = 15_000;
const STORMS = 3;
const STORM_PAUSE_MS = 1_500;
/** Phones wait 4 s for an answer before they come back by themselves (k8s/swarm/roaming.ts). */
const DEAF_MS_MIN = 2_000;
const DEAF_MS_MAX = 3_500;
const HOT_PER_S = 1_000;
const HOT_MS = 8_000;
const TICK_MS = 20;

const phonesOf = async ({ target, random }: FaultContext, count: number): Promise<Phone[]> => {
  const accounts = await seedAccounts(target, new Array(count).fill('civilian'));
  const well = target.nodes.filter(node => node.isRunning);
  const phones = accounts.map(identity => new Phone({ url: random.pick(well).urls.realtime, identity }));
  const open = await Promise.all(
    phones.map(phone =>
      phone.connect().then(
        () => phone,
        () => null,
      ),
    ),
  );
  return open.filter(phone => phone !== null);
};

export const slowReaders: Fault = {
  name: 'slow-readers',
  row: '10',
  weight: 1,
  reach: 'node',
  run: async context => {
    const { random, lasts, hit, counted } = context;
    const phones = await phonesOf(context, SLOW);
    if (phones.length === 0) return;
    hit({
      targets: ['phones'],
      what: `${phones.length} phones ask and do not read`,
      counts: { slow: phones.length },
    });
    for (const phone of phones) {
      phone.pause();
      for (let i = 0; i < ASKED_AT_ONCE; i++) void phone.command('state.get', {});
    }
    const end = random.between(SLOW_MS_MIN, SLOW_MS_MAX);
    for (let passed = 0; passed < end; passed += 1_000) {
      for (const phone of phones) if (phone.isConnected) void phone.command('state.get', {});
      await lasts(1_000);
    }
    counted({ stillOpen: phones.filter(phone => phone.isConnected).length });
    for (const phone of phones) phone.drop();
  },
};

export const storm: Fault = {
  name: 'storm',
  row: '11',
  weight: 2,
  reach: 'all',
  needs: ['slamDoors'],
  run: async ({ target, lasts, hit, counted }) => {
    const well = target.nodes.filter(node => node.isRunning);
    const first = target.slamDoors(well);
    hit(first);
    let closed = first.counts.closed ?? 0;
    for (let i = 1; i < STORMS; i++) {
      await lasts(STORM_PAUSE_MS);
      closed += target.slamDoors(well).counts.closed ?? 0;
    }
    counted({ closed });
    await lasts(2 * STORM_PAUSE_MS);
  },
};

/** What was asked is done and nobody hears of it: each command comes again under its key, and each phone has missed something. */
export const deafPhones: Fault = {
  name: 'deaf-phones',
  row: '11',
  weight: 1,
  reach: 'all',
  needs: ['slamDoors'],
  run: async ({ target, random, lasts, hit, counted }) => {
    const well = target.nodes.filter(node => node.isRunning);
    const targets = well.map(node => node.id);
    target.muteDoors(well);
    hit({ targets, what: `nothing that ${targets.join(', ')} say reaches a phone`, counts: {} });
    await lasts(random.between(DEAF_MS_MIN, DEAF_MS_MAX));
    counted(target.slamDoors(well).counts);
    await lasts(2 * STORM_PAUSE_MS);
  },
};

export const hotUser: Fault = {
  name: 'hot-user',
  row: '12',
  weight: 1,
  reach: 'node',
  run: async context => {
    const { target, lasts, hit, counted } = context;
    const [phone] = await phonesOf(context, 1);
    if (phone === undefined) return;
    let asked = 0;
    let refused = 0;
    hit({ targets: [phone.userId], what: `one user asks ${HOT_PER_S} times a second`, counts: {} });
    let shown = 0;
    const end = target.nowMs() + HOT_MS;
    while (target.nowMs() < end) {
      if (!phone.isConnected) {
        // shown the door, he comes back at once
        shown++;
        await phone.connect().catch(() => {});
      }
      for (let i = 0; i < (HOT_PER_S * TICK_MS) / 1_000; i++) {
        asked++;
        void phone.command('state.get', {}).then(answer => {
          if (!answer.ok) refused++;
        });
      }
      await lasts(TICK_MS);
    }
    counted({ asked, refused, shown });
    phone.drop();
  },
};
