/**
 * A node follows the rules: it starts with those it knew last (or the built-in ones), asks the store which count, and asks
 * again when another node says so or a while has passed. Whoever cannot reach the store goes on with what it has.
 *
 * The first node that finds no rules in the store writes the built-in version 1 there, with the numbers of its
 * configuration. From then on that is version 1, for every node: one with other numbers, or of another release, says so in
 * its log and keeps to what is written, or a version would not be one. Other numbers are published as the next version.
 */
import { FIRST_VERSION } from '../../actors/ruleNumbers.ts';
import type { Bus, Log, Metrics, Scheduler } from '../ports.ts';
import { refusedVersion } from './compiledRule.ts';
import { canonical, checksumOf, type RuleDraft, type RulePointer, type RuleVersion } from './envelope.ts';
import { RULE_LIMITS } from './limits.ts';
import type { RuleBook } from './ruleBook.ts';
import type { RuleStore, RuleTeller } from './store.ts';

/** What a node knew when it last reached the store, kept on its own disk. */
export interface LastKnown {
  /** What stands there, unread; null when nothing does. */
  read(): unknown;
  write(versions: readonly RuleVersion[]): void;
}

export interface FollowerOptions {
  readonly store: RuleStore;
  readonly teller: RuleTeller;
  readonly book: RuleBook;
  readonly seeds: readonly RuleVersion[];
  readonly lastKnown: LastKnown;
  /** Null for a node that is alone. */
  readonly bus: Pick<Bus, 'publish' | 'subscribe'> | null;
  readonly subject: string;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** A version that is to count, and does not on this node. */
export interface RefusedVersion {
  readonly version: number;
  /** A sentence. */
  readonly why: string;
  /** The version that counts instead; 0: none. */
  readonly instead: number;
}

/** What stands there is what was written: what somebody changed, or what was cut off, is nobody's rules. */
const isWhole = (kept: unknown): kept is readonly RuleVersion[] =>
  Array.isArray(kept) && kept.every(one => typeof one?.id === 'string' && checksumOf(one) === one.checksum);

export const rulesSubject = (cluster: string): string => `hb.rules.${cluster}`;

/** The word says that something changed; what, the store knows. */
const WORD = new Uint8Array([1]);

const keyOf = ({ id, version }: Pick<RuleVersion, 'id' | 'version'>): string => `${id}@${version}`;
const exactly = (rule: RuleVersion): string => `${keyOf(rule)}@${rule.checksum}`;
const PARTS = [
  'title',
  'scope',
  'priority',
  'content',
  'limits',
  'tests',
] as const satisfies readonly (keyof RuleDraft)[];

export class RuleFollower {
  readonly #options: FollowerOptions;
  /** What the store has. Versions never change, so each is read once. */
  readonly #known = new Map<string, RuleVersion>();
  #active: readonly RuleVersion[] = [];
  /** By the id of the rule. */
  #refused: ReadonlyMap<string, RefusedVersion> = new Map();
  /** Whether the disk has what is active. */
  #isKept: boolean;
  /** Revisions of pointers that are told, by rule. */
  readonly #told = new Map<string, number>();
  #isTelling = false;
  #looking: Promise<void> | null = null;
  #again = false;
  #timer: (() => void) | null = null;
  #unsubscribe: (() => void) | null = null;
  #stopped = false;

  constructor(options: FollowerOptions) {
    this.#options = options;
    const before = this.#before();
    this.#isKept = before !== null;
    this.#take(before ?? options.seeds);
  }

  /** Null: the version counts that its pointer says. */
  refused(id: string): RefusedVersion | null {
    return this.#refused.get(id) ?? null;
  }

  /** Resolves when the store has answered, or did not within its time: then the node goes on with what it knew. */
  async start(): Promise<void> {
    const { bus, subject } = this.#options;
    this.#unsubscribe = bus?.subscribe(subject, () => void this.look()) ?? null;
    await this.look();
  }

  stop(): void {
    this.#stopped = true;
    this.#unsubscribe?.();
    this.#timer?.();
  }

  /** What this node has changed in the store it follows at once, and tells the others. */
  async changed(): Promise<void> {
    this.#options.bus?.publish(this.#options.subject, WORD);
    await this.look();
  }

  /** Looks now; one look at a time, and one more when something was said meanwhile. */
  look(): Promise<void> {
    if (this.#looking !== null) {
      this.#again = true;
      return this.#looking;
    }
    this.#timer?.();
    this.#timer = null;
    this.#looking = this.#look();
    return this.#looking;
  }

  /** What this node knew before it stopped; of what a node before it let through, and is refused now, the built-in version. */
  #before(): readonly RuleVersion[] | null {
    const { lastKnown, seeds, log } = this.#options;
    const kept = lastKnown.read();
    if (kept === null) return null;
    if (isWhole(kept))
      return kept.flatMap(one => (refusedVersion(one) ? (seeds.find(({ id }) => id === one.id) ?? []) : one));
    log.warn({}, 'the rules known last are damaged; the built-in ones count');
    return null;
  }

  async #look(): Promise<void> {
    const { scheduler, log, metrics } = this.#options;
    let waitMs: number = RULE_LIMITS.pollMs;
    do {
      this.#again = false;
      try {
        await this.#read();
        metrics.count('heyblue_rules_followed_total', { result: 'read' });
      } catch (error) {
        metrics.count('heyblue_rules_followed_total', { result: 'away' });
        log.warn({ err: error }, 'the rules cannot be read; those known last count');
        waitMs = RULE_LIMITS.retryMs;
        break;
      }
    } while (this.#again && !this.#stopped);
    // in the same step as the last look at `#again`: whoever says something from now on begins a look
    this.#looking = null;
    if (!this.#stopped) this.#timer = scheduler.after(waitMs, () => void this.look());
  }

  async #read(): Promise<void> {
    const { store, lastKnown, metrics } = this.#options;
    let pointers = await store.pointers();
    if (await this.#plant(pointers)) pointers = await store.pointers();
    void this.#tell(pointers);
    const refused = new Map<string, RefusedVersion>();
    const counting = pointers.filter(one => one.active > 0);
    const rules = await Promise.all(counting.map(one => this.#counting(one, refused)));
    const active = rules.filter(rule => rule !== null);
    this.#tellRefused(refused);
    metrics.gauge('heyblue_rules_refused', refused.size);
    const isSame = active.map(exactly).join() === this.#active.map(exactly).join();
    if (!isSame) this.#take(active);
    if (isSame && this.#isKept) return;
    lastKnown.write(active);
    this.#isKept = true;
  }

  /** The version that counts; of one that is refused the newest that counted before it, so that all nodes take the same. */
  async #counting(
    { id, active, retired }: RulePointer,
    refused: Map<string, RefusedVersion>,
  ): Promise<RuleVersion | null> {
    const rule = await this.#version(id, active);
    if (rule === null) {
      this.#options.log.error({ rule: id, version: active }, 'a rule points to a version that is not there');
      return null;
    }
    const refusal = refusedVersion(rule);
    if (refusal === null) return rule;
    let instead: RuleVersion | null = null;
    for (const version of retired.toReversed()) {
      const before = await this.#version(id, version);
      if (before === null || refusedVersion(before)) continue;
      instead = before;
      break;
    }
    refused.set(id, { version: active, why: refusal.message, instead: instead?.version ?? 0 });
    return instead;
  }

  /** Says of each once. */
  #tellRefused(refused: ReadonlyMap<string, RefusedVersion>): void {
    for (const [rule, one] of refused) {
      const { version, instead } = this.#refused.get(rule) ?? {};
      if (version === one.version && instead === one.instead) continue;
      this.#options.log.error(
        { rule, ...one },
        'the version of a rule that is to count would be refused today and does not count here; publish a mended one',
      );
    }
    this.#refused = refused;
  }

  /** Beside the following, which waits for nobody; what could not be told is told after another look. */
  async #tell(pointers: readonly RulePointer[]): Promise<void> {
    const news = pointers.filter(({ id, revision }) => this.#told.get(id) !== revision);
    if (news.length === 0 || this.#isTelling) return;
    this.#isTelling = true;
    try {
      await this.#options.teller.tell(news);
      for (const { id, revision } of news) this.#told.set(id, revision);
    } catch (error) {
      this.#options.log.warn({ err: error }, 'which rules count could not be told; it will be');
    } finally {
      this.#isTelling = false;
    }
  }

  async #version(id: string, version: number): Promise<RuleVersion | null> {
    const key = keyOf({ id, version });
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const rule = await this.#options.store.version(id, version);
    if (rule === null) return null;
    this.#known.set(key, rule);
    this.#compare(rule);
    return rule;
  }

  /** Says once if this node would have written another version 1. */
  #compare(stored: RuleVersion): void {
    const { seeds, log } = this.#options;
    const seed = seeds.find(one => keyOf(one) === keyOf(stored));
    if (seed === undefined || seed.checksum === stored.checksum) return;
    const differs = PARTS.filter(part => canonical(seed[part]) !== canonical(stored[part]));
    log.warn(
      { rule: stored.id, version: stored.version, differs },
      'the stored version of this rule counts, and not what the settings or the release of this node say; to have that, ' +
        'patch the rule and publish its next version',
    );
  }

  /** Writes the built-in rules that the store does not have. Whoever else does so at once writes the same. */
  async #plant(pointers: readonly RulePointer[]): Promise<boolean> {
    const { store, seeds } = this.#options;
    const there = new Set(pointers.map(({ id }) => id));
    const missing = seeds.filter(({ id }) => !there.has(id));
    for (const seed of missing) {
      await store.add(seed);
      const { id, kind } = seed;
      const pointer = { id, kind, active: FIRST_VERSION, retired: [], tested: [FIRST_VERSION], revision: 1 };
      await store.point(pointer, 0);
    }
    return missing.length > 0;
  }

  #take(active: readonly RuleVersion[]): void {
    this.#active = active;
    this.#options.book.replace(active);
    this.#options.metrics.gauge('heyblue_rules_active', active.length);
  }
}
