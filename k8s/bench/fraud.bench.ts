/**
 * What the gates find and whom they accuse wrongly: precision and recall of each, on phones made of recorded movements and
 * on cheats put among them by seed. It runs the very functions that actors and regions run; no servers, no clock.
 *
 * Cheats that are known to get through (noise drawn as well as a receiver's) have rows of their own: the figure says so.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ageOf } from '../../actors/fraud/age.ts';
import { Footprints } from '../../actors/fraud/footprints.ts';
import { historyTrust } from '../../actors/fraud/history.ts';
import { FRAUD_RULES as RULES } from '../../actors/fraud/rules.ts';
import { type Reason, reasonsOf } from '../../actors/fraud/trust.ts';
import { displaced, observe, trustOf, UNSUSPECTED, wiped } from '../../actors/fraud/watch.ts';
import { FIX_FLAG } from '../../protocol/frames.ts';
import type { Bench } from '../bench.ts';
import { readTrackFile } from '../tracks/read.ts';
import { type Seeded, seeded } from '../tracks/seeded.ts';
import { numberArg } from './args.ts';
import { farmers, histories, type Meetings, oneOfficer, strangers } from './fraudCalendar.ts';
import {
  bare,
  cloned,
  firstOther,
  honest,
  offAndOn,
  type Phone,
  type Report,
  rushed,
  START_MS,
  scripted,
  stuck,
  teleported,
  ways,
} from './fraudTracks.ts';
import { figure, rounded } from './table.ts';

const RECORDED = ['athens-vehicles.csv', 'eth-pedestrians.txt', 'hotel-pedestrians.txt'];
const DATA = new URL('../../../shared/data/', import.meta.url);
const SHIPPED = new URL('../tracks/park.csv', import.meta.url);
/** The shortest time between two reports that any phone is asked for, and one fix more than a finding needs. */
const PERIOD_MS = 1_000;
const FIXES_MIN = 12;
const SCRIPT_FIXES = 60;

/** Every reason that ever spoke against the phone. */
function reasonsFor(phone: Phone): Set<Reason> {
  const all = new Set<Reason>();
  let watch = UNSUSPECTED;
  for (const one of phone) {
    if (one.anew) watch = wiped(watch, one.takenAtMs);
    watch = observe(watch, one, one.flags, one.takenAtMs, RULES).watch;
    for (const reason of reasonsOf(trustOf(watch, one.takenAtMs, RULES))) all.add(reason);
  }
  return all;
}

/** Who of the second walks where the first walked: the number of phones that a region accuses. */
function accused(first: readonly Phone[], second: readonly Phone[]): Set<string> {
  const prints = new Footprints(RULES);
  const steps = [first, second]
    .flatMap((phones, who) => phones.flatMap((phone, i) => phone.map(one => ({ id: `${who}/${i}`, one }))))
    .sort((a, b) => a.one.takenAtMs - b.one.takenAtMs);
  const found = new Set<string>();
  for (const { id, one } of steps) {
    const other = prints.tread(id, one.latE7, one.lngE7, one.takenAtMs);
    if (other !== null) found.add(id).add(other);
  }
  return found;
}

interface Row {
  readonly gate: string;
  readonly cheat: string;
  readonly honest: number;
  readonly accused: number;
  readonly cheats: number;
  readonly found: number;
}

const precision = ({ accused: wrong, found }: Row): number =>
  found + wrong === 0 ? 1 : found / (found + wrong);
const recall = ({ cheats, found }: Row): number => found / cheats;

function recordings(
  report: (line: string) => void,
): { name: string; phonesOf: (chance: Seeded) => Phone[]; raw: Phone[] }[] {
  const there = RECORDED.map(name => fileURLToPath(new URL(name, DATA))).filter(path => existsSync(path));
  if (there.length === 0)
    report('The recorded tracks are not there (../shared/data): the small recording that ships is used.');
  const files = there.length > 0 ? there : [fileURLToPath(SHIPPED)];
  return files.map(path => {
    const read = readTrackFile(path);
    if (!read.ok) throw new Error(read.problem);
    const found = ways(read.recording, PERIOD_MS, FIXES_MIN);
    return {
      name: read.recording.format,
      phonesOf: chance => found.map(way => honest(way, chance)),
      raw: ways(read.recording, 0, 2).map(bare),
    };
  });
}

/** Times at which a socket was replaced and how long it had been silent: three phones' worth of a bad network. */
const reconnects = (chance: Seeded): readonly (readonly [atMs: number, silentMs: number])[] =>
  Array.from(
    { length: 3 + chance.int(6) },
    () => [chance.int(3_600_000), chance.between(3_000, 60_000)] as const,
  );
/** Two phones that both want the account: each takes it back within seconds. */
const duel = (chance: Seeded): readonly (readonly [atMs: number, silentMs: number])[] =>
  Array.from({ length: 10 }, (_, i) => [i * 20_000 + chance.int(5_000), chance.between(0, 8_000)] as const);

function twins(replaced: readonly (readonly [atMs: number, silentMs: number])[]): boolean {
  let watch = UNSUSPECTED;
  let isFound = false;
  for (const [atMs, silentMs] of [...replaced].sort((a, b) => a[0] - b[0])) {
    watch = displaced(watch, silentMs, START_MS + atMs, RULES);
    isFound ||= trustOf(watch, START_MS + atMs, RULES) !== 0;
  }
  return isFound;
}

/** Nanoseconds of one fix through the gates of a phone, and through those of a region. */
function costs(phones: readonly Phone[]): { observeNs: number; treadNs: number } {
  const reports = phones.flatMap((phone, i) => phone.map(one => ({ id: `${i}`, one })));
  const rounds = Math.ceil(500_000 / reports.length);
  let watch = UNSUSPECTED;
  const since = performance.now();
  for (let round = 0; round < rounds; round++)
    for (const { one } of reports) watch = observe(watch, one, 0, one.takenAtMs, RULES).watch;
  const between = performance.now();
  const prints = new Footprints(RULES);
  for (let round = 0; round < rounds; round++)
    for (const { id, one } of reports) prints.tread(id, one.latE7 + round, one.lngE7, one.takenAtMs);
  const count = rounds * reports.length;
  return {
    observeNs: ((between - since) * 1e6) / count,
    treadNs: ((performance.now() - between) * 1e6) / count,
  };
}

export const bench: Bench = {
  name: 'fraud',
  description: 'precision and recall of each gate on recorded tracks with cheats put among them',
  async run(report, args) {
    const seed = numberArg(args, 'seed', 1);
    const chance = seeded(seed);
    const recorded = recordings(report);
    const tracks = recorded.map(({ name, phonesOf }) => ({ name, phones: phonesOf(chance) }));
    const phones = tracks.flatMap(one => one.phones);
    const fixes = phones.reduce((sum, phone) => sum + phone.length, 0);
    report(
      `Seed ${seed}. Honest phones: ${tracks.map(one => `${one.phones.length} ${one.name}`).join(', ')}; ` +
        `${figure(fixes)} reports, one a second, with a receiver's error added.`,
    );
    const raw = recorded.flatMap(one => one.raw);
    const rawAccused = raw.filter(phone => {
      const found = reasonsFor(phone);
      return found.has('teleport') || found.has('too_fast');
    }).length;
    report(
      `As recorded, every sighting, without that error: ${rawAccused} of ${raw.length} people are too fast.`,
    );
    const reasons = phones.map(reasonsFor);
    const accusedOf = (...names: Reason[]) => reasons.filter(set => names.some(name => set.has(name))).length;
    const rows: Row[] = [];
    const gate = (name: string, cheat: string, cheats: readonly Phone[], ...names: Reason[]): void => {
      const found = cheats.filter(phone => names.some(one => reasonsFor(phone).has(one))).length;
      const honestly = { honest: phones.length, accused: accusedOf(...names) };
      rows.push({ gate: name, cheat, ...honestly, cheats: cheats.length, found });
    };
    const corners = phones.map(phone => phone[0] as Report);
    const script = (noiseM: number, frame: 'constant' | 'varied') =>
      corners.map(from => scripted(from, SCRIPT_FIXES, 5, { noiseM, frame }, chance));

    const mocked = phones.map(phone => phone.map(one => ({ ...one, flags: FIX_FLAG.simulated })));
    gate('client flag', 'simulated, and said so', mocked, 'simulated');
    gate(
      'speed',
      'teleport of 1 to 1,000 km',
      phones.map(phone => teleported(phone, chance)),
      'teleport',
      'too_fast',
    );
    const switched = phones.map(phone => offAndOn(phone, 2 + chance.int(phone.length - 2)));
    const jumped = phones.map(phone => {
      const elsewhere = teleported(phone, chance);
      return offAndOn(elsewhere, firstOther(phone, elsewhere));
    });
    const isFast = (phone: Phone): boolean =>
      reasonsFor(phone).has('teleport') || reasonsFor(phone).has('too_fast');
    rows.push({
      gate: 'speed',
      cheat: 'the same, sharing off and on before',
      honest: switched.length,
      accused: switched.filter(isFast).length,
      cheats: jumped.length,
      found: jumped.filter(isFast).length,
    });
    gate(
      'speed',
      'joystick at 80 to 300 m/s',
      phones.map(phone => rushed(phone, chance)),
      'teleport',
      'too_fast',
    );
    gate('too perfect', 'script on straight lines', script(0, 'constant'), 'too_perfect');
    gate('too perfect', 'script, its frame varied', script(0.03, 'varied'), 'too_perfect');
    gate('too perfect', 'script with 1 m of noise, one frame', script(1, 'constant'), 'too_perfect');
    gate(
      'too perfect',
      'says that it walks, stands',
      corners.map(from => stuck(from, 30)),
      'too_perfect',
    );
    gate('too perfect', 'script with noise and frame (gets through)', script(1, 'varied'), 'too_perfect');

    const alone = accused(phones, []).size;
    const clones = (cheat: string, lateMs: number, every: number, noiseM: number): void => {
      const copies = phones.map(phone => cloned(phone, lateMs, every, noiseM, chance));
      const caught = accused(phones, copies);
      const found = copies.filter((_, i) => caught.has(`1/${i}`)).length;
      rows.push({
        gate: 'clones',
        cheat,
        honest: phones.length,
        accused: alone,
        cheats: copies.length,
        found,
      });
    };
    clones('identical, at once', 0, 1, 0);
    clones('identical, 20 min later', 20 * 60_000, 1, 0);
    clones('every second fix, 5 min later', 5 * 60_000, 2, 0);
    clones('with 1 m of noise (gets through)', 0, 1, 1);

    const nowMs = START_MS;
    const ages = (from: number, to: number) =>
      Array.from({ length: 1_000 }, () => nowMs - chance.between(from, to));
    const refused = (all: readonly number[]) => all.filter(atMs => ageOf(atMs, nowMs) !== 'fresh').length;
    const late = refused(ages(0, 30_000)) + refused(ages(-4_000, 0));
    rows.push({
      gate: 'clock',
      cheat: 'replayed 61 s to 1 h later',
      honest: 2_000,
      accused: late,
      cheats: 1_000,
      found: refused(ages(61_000, 3_600_000)),
    });
    rows.push({
      gate: 'clock',
      cheat: 'from the future',
      honest: 2_000,
      accused: late,
      cheats: 1_000,
      found: refused(ages(-3_600_000, -6_000)),
    });

    const count = (n: number, is: () => boolean) => Array.from({ length: n }, is).filter(Boolean).length;
    rows.push({
      gate: 'two phones',
      cheat: 'take the socket in turns',
      honest: 1_000,
      accused: count(1_000, () => twins(reconnects(chance))),
      cheats: 1_000,
      found: count(1_000, () => twins(duel(chance))),
    });

    const held = (meetings: Meetings, reason: Reason) =>
      [...histories(meetings, RULES)].some(history =>
        reasonsOf(historyTrust(history, { cooldownS: 86_400, unvouched: false }, RULES)).includes(reason),
      );
    const calendar = (cheat: string, reason: Reason, fair: () => Meetings, farm: () => Meetings): void => {
      const honestly = { honest: 1_000, accused: count(1_000, () => held(fair(), reason)) };
      rows.push({
        gate: reason.replace('_', ' '),
        cheat,
        ...honestly,
        cheats: 1_000,
        found: count(1_000, () => held(farm(), reason)),
      });
    };
    calendar(
      'a pair each 24 h to 10 min',
      'farmed_pair',
      () => strangers(chance),
      () => farmers(chance),
    );
    calendar(
      '31 to 200 people a day',
      'busy_officer',
      () => strangers(chance),
      () => ({ ...oneOfficer(chance), officerDay: 31 + chance.int(170) }),
    );
    calendar(
      '20 to 30 times one officer',
      'one_officer',
      () => strangers(chance),
      () => oneOfficer(chance),
    );

    const head = ['gate', 'cheat', 'honest', 'accused', 'cheats', 'found', 'precision', 'recall'];
    const lines = rows.map(row => [
      row.gate,
      row.cheat,
      figure(row.honest),
      figure(row.accused),
      figure(row.cheats),
      figure(row.found),
      figure(precision(row), 3),
      figure(recall(row), 3),
    ]);
    const widths = head.map((word, i) => Math.max(word.length, ...lines.map(line => line[i]!.length)));
    for (const line of [head, ...lines])
      report(
        `  ${line.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')}`,
      );
    const { observeNs, treadNs } = costs(phones);
    report(`  a fix costs ${figure(observeNs)} ns at its owner and ${figure(treadNs)} ns in a region`);
    return {
      seed,
      honest_phones: phones.length,
      raw_tracks: raw.length,
      raw_too_fast: rawAccused,
      reports: fixes,
      accused_wrongly: reasons.filter(set => set.size > 0).length,
      gates: rows.map(row => ({
        gate: row.gate,
        cheat: row.cheat,
        precision: rounded(precision(row), 4),
        recall: rounded(recall(row), 4),
        honest: row.honest,
        accused: row.accused,
        cheats: row.cheats,
        found: row.found,
      })),
      observe_ns: Math.round(observeNs),
      tread_ns: Math.round(treadNs),
    };
  },
};
