/**
 * Codes: how many one core makes and checks, how long a picture takes, and how long it is from a scan to the event on both
 * phones through a node, a database and sockets. Checked are codes of as many presenters as there are codes, in one
 * step, so that nothing is found in a cache but the day's key.
 * The first six are figures of one core: counted by the time that this process had, not by the clock.
 */

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { encodeBase45 } from '../../protocol/base45.ts';
import { isHubText, mintHubToken, verifyHubToken } from '../../protocol/hubToken.ts';
import { type Minting, mintToken, verifyToken } from '../../protocol/qr.ts';
import { qrPng, qrSvg } from '../../protocol/qrImage.ts';
import type { Bench, Report } from '../bench.ts';
import { Histogram } from '../swarm/histogram.ts';
import { startLoadTown } from '../swarm/loadTown.ts';
import { Phone } from '../swarm/phone.ts';
import { cpuSecondsOf } from '../swarm/processCost.ts';
import { anySeed, Random } from '../swarm/random.ts';
import { seedPeople } from '../swarm/seed.ts';
import { numberArg } from './args.ts';
import { figure, rounded, table } from './table.ts';

const NOW_MS = 1_795_000_005_000;
const PRESENTERS = 100_000;
const ROUNDS = 8;
const PICTURES = 300;
const WARM = 50;
/** A code is shown so long before it is scanned. */
const SHOWN_MS = 300;
/** A scan that has not reached both phones by then is lost. */
const SCAN_MS_MAX = 5_000;

/** Seconds of a core that this process has used. */
const coreS = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

/** How often in a second of one core, the best of some rounds: time that others had the core does not count. */
const perCoreSecond = (count: number, rounds: number, round: () => void): number => {
  let best = 0;
  for (let i = 0; i < rounds; i++) {
    const began = coreS();
    round();
    best = Math.max(best, count / (coreS() - began));
  }
  return best;
};

const core = async (random: Random) => {
  const master = new Uint8Array(randomBytes(32));
  const masters = new Map([[1, master]]);
  const people: Minting[] = Array.from({ length: PRESENTERS }, (_, i) => ({
    kind: i % 2 === 0 ? 'officer' : 'civilian',
    kid: 1,
    master,
    nowMs: NOW_MS,
    flags: 0,
    nonce: Math.floor(random.unit() * 2 ** 32),
    userNumber: Math.floor(random.unit() * 2 ** 47),
    deviceNumber: 1 + (i % 7),
  }));
  let codes: string[] = [];
  const mintPerS = perCoreSecond(PRESENTERS, 3, () => {
    codes = people.map(mintToken);
  });
  const verifying = { nowMs: NOW_MS, masters, kinds: ['officer', 'civilian'] as const };
  let good = 0;
  const verifyPerS = perCoreSecond(PRESENTERS, ROUNDS, () => {
    for (const code of codes) if (verifyToken(code, verifying).ok) good++;
  });
  if (good !== PRESENTERS * ROUNDS) throw new Error('a good code was refused');
  const forged = codes.map(code => `${code.slice(0, -3)}${encodeBase45(randomBytes(2))}`);
  let taken = 0;
  const refusePerS = perCoreSecond(PRESENTERS, 1, () => {
    for (const code of forged) if (verifyToken(code, verifying).ok) taken++;
  });
  if (taken > 4) throw new Error('forged codes were taken');

  const text = codes[0]!;
  const timed = async (draw: () => Promise<unknown>): Promise<number> => {
    await draw();
    const began = coreS();
    for (let i = 0; i < PICTURES; i++) await draw();
    return PICTURES / (coreS() - began);
  };
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const hub = mintHubToken({ kid: 1, privateKey, hubNumber: 1, posterNumber: 1, untilMs: null, nonce: 1 });
  if (!isHubText(hub)) throw new Error('no code of a hub');
  const publicKeys = new Map([[1, publicKey]]);
  const hubPerS = perCoreSecond(1_000, ROUNDS, () => {
    for (let i = 0; i < 1_000; i++) verifyHubToken(hub, { nowMs: NOW_MS, publicKeys });
  });
  return {
    mintPerS,
    verifyPerS,
    refusePerS,
    hubPerS,
    svgPerS: await timed(() => qrSvg(text)),
    pngPerS: await timed(() => qrPng(text)),
  };
};

interface ScanRun {
  readonly lost: number;
  readonly latency: Histogram;
  readonly serverCores: number;
}

/** Fresh pairs, each with sockets of their own: the officer scans the civilian's code, or the other way round. */
const scanning = async (perS: number, seconds: number, report: Report): Promise<ScanRun> => {
  const load = await startLoadTown();
  const phones: Phone[] = [];
  try {
    const pairs = perS * seconds;
    // Nobody scans more than once in 4 s, and a pair meets once.
    const each = Math.min(pairs, perS * 4);
    const people = await seedPeople(load, { officers: each, civilians: each });
    const heard = new Map<string, (atMs: number) => void>();
    const open = async (identity: (typeof people.officers)[number]): Promise<Phone> => {
      const phone: Phone = new Phone({
        url: load.node.urls.realtime,
        identity,
        onEvent: event => {
          if (event.name === 'encounter.completed')
            heard.get(`${identity.userId} ${event.body.otherHandle}`)?.(performance.now());
        },
      });
      phones.push(phone);
      await phone.connect();
      return phone;
    };
    const officers: Phone[] = [];
    const civilians: Phone[] = [];
    for (let i = 0; i < each; i++) {
      officers.push(await open(people.officers[i]!));
      civilians.push(await open(people.civilians[i]!));
    }
    report(`${phones.length} phones are connected; ${perS} scans a second for ${seconds} s`);
    let latency = new Histogram();
    let lost = 0;

    const meet = async (n: number, dueMs: number): Promise<void> => {
      const o = n % each;
      const c = (n + Math.floor(n / each)) % each;
      const [officer, civilian] = [officers[o]!, civilians[c]!];
      const presenter = n % 2 === 0 ? civilian : officer;
      const scanner = n % 2 === 0 ? officer : civilian;
      const shown = await presenter.command('qr.show', {});
      if (!shown.ok) throw new Error(`qr.show: ${shown.message}`);
      await pause(Math.max(0, dueMs - performance.now()));
      const scannedMs = performance.now();
      const reaches = (who: Phone, other: { readonly handle: string }): Promise<number> =>
        new Promise(resolve => {
          const key = `${who.userId} ${other.handle}`;
          const timer = setTimeout(() => resolve(Number.NaN), SCAN_MS_MAX);
          heard.set(key, atMs => {
            clearTimeout(timer);
            heard.delete(key);
            resolve(atMs);
          });
        });
      const both = [reaches(officer, people.civilians[c]!), reaches(civilian, people.officers[o]!)];
      const scanned = await scanner.command('qr.scan', { token: shown.value.token }, crypto.randomUUID());
      const lastMs = Math.max(...(await Promise.all(both)));
      if (!scanned.ok || Number.isNaN(lastMs)) {
        lost++;
        return;
      }
      latency.record(lastMs - scannedMs);
    };

    // A node that has just started compiles; pairs of these meetings come no more.
    for (let n = 0; n < Math.min(WARM, each); n++) await meet(pairs + n, performance.now());
    latency = new Histogram();
    lost = 0;
    const cpuBefore = await cpuSecondsOf(load.node.pid, load.node.urls.admin);
    const beganMs = performance.now() + 500;
    const running: Promise<void>[] = [];
    for (let n = 0; n < pairs; n++) {
      const dueMs = beganMs + (n * 1000) / perS;
      await pause(Math.max(0, dueMs - SHOWN_MS - performance.now()));
      running.push(meet(n, dueMs));
    }
    await Promise.all(running);
    const tookS = (performance.now() - beganMs) / 1000;
    const cores = ((await cpuSecondsOf(load.node.pid, load.node.urls.admin)) - cpuBefore) / tookS;
    return { lost, latency, serverCores: cores };
  } finally {
    for (const phone of phones) phone.drop();
    await load.stop();
  }
};

export const bench: Bench = {
  name: 'qr',
  description:
    'codes made and checked on one core, pictures of them, and from a scan to the event on both phones',
  run: async (report, args) => {
    const seed = numberArg(args, 'seed', anySeed());
    const perS = numberArg(args, 'rate', 100);
    const seconds = numberArg(args, 'seconds', 20);
    report(`Seed ${seed}; ${figure(PRESENTERS)} presenters, one code each`);
    const one = await core(new Random(seed));
    const scans = seconds === 0 ? null : await scanning(perS, seconds, report);
    report(
      table([
        ['codes made per second', figure(one.mintPerS)],
        ['codes checked per second', `${figure(one.verifyPerS)}  (goal 150,000)`],
        ['forged codes refused per second', figure(one.refusePerS)],
        ['codes of hubs checked per second', figure(one.hubPerS)],
        ['SVG pictures per second', figure(one.svgPerS)],
        ['PNG pictures per second', figure(one.pngPerS)],
        ...(scans
          ? ([
              ['scan to both phones p50', `${figure(scans.latency.percentileMs(50), 1)} ms`],
              ['scan to both phones p99', `${figure(scans.latency.percentileMs(99), 1)} ms  (goal 100)`],
              ['slowest', `${figure(scans.latency.maxMs, 1)} ms`],
              ['scans, lost', `${figure(scans.latency.count)}, ${scans.lost}`],
              ['server cores', figure(scans.serverCores, 2)],
            ] as const)
          : []),
      ]),
    );
    return {
      mint_per_s: Math.round(one.mintPerS),
      verify_per_s: Math.round(one.verifyPerS),
      forged_per_s: Math.round(one.refusePerS),
      hub_verify_per_s: Math.round(one.hubPerS),
      svg_per_s: Math.round(one.svgPerS),
      png_per_s: Math.round(one.pngPerS),
      ...(scans && {
        scans_per_s: perS,
        p50_ms: rounded(scans.latency.percentileMs(50)),
        p99_ms: rounded(scans.latency.percentileMs(99)),
        max_ms: rounded(scans.latency.maxMs),
        lost: scans.lost,
        server_cores: rounded(scans.serverCores),
      }),
      seed,
    };
  },
};
