/** What is kept of one person, read in one statement for a copy, and ended in one (`nodes/personPort.ts`). */
import type { Erasure, PersonBook } from '../../nodes/personPort.ts';
import type { Log } from '../../nodes/ports.ts';
import { QUERY_SILENCE_MS_MAX, QUERY_STATEMENT_MS_MAX } from './limits.ts';
import { Lines } from './lines.ts';

/** A list as JSON: these columns of these rows, newest first, at most so many ($2). */
const list = (columns: string, from: string, order: string): string =>
  `(select coalesce(json_agg(row_to_json(r)), '[]') from (select ${columns} from ${from} order by ${order} desc limit $2::int) r)`;

const COPY = `
select json_build_object(
  'profile', json_build_object('userId', u.id, 'kind', u.kind, 'handle', u.handle, 'zip', u.zip, 'createdAt', u.created_at,
    'badge', (select o.badge from user_schema.officer o where o.user_id = u.id)),
  'account', (select json_build_object('balance', sum(a.balance), 'reserved', sum(a.reserved)) from ledger.account a
    where a.account_id = u.id),
  'devices', ${list(
    'd.device_id as "deviceId", d.linked_at as "linkedAt"',
    `(select device_id, linked_at from user_schema.device where user_id = u.id
       union all select device_id, linked_at from user_schema.linked_device where user_id = u.id) d`,
    'd.linked_at',
  )},
  'seenDevices', ${list(
    's.device_id as "deviceId", s.app, s.first_seen as "firstSeen", s.last_seen as "lastSeen"',
    'user_schema.seen_device s where s.user_id = u.id',
    's.last_seen',
  )},
  'encounters', ${list(
    `e.id, e.method, e.at, e.cell as area, case when e.officer = u.id then e.officer_points else e.civilian_points end as points`,
    'meet.encounter e where u.id in (e.officer, e.civilian)',
    'e.at',
  )},
  'heldEncounters', ${list(
    'h.encounter_id as id, h.method, h.at, h.cell as area, h.verdict',
    'meet.hold h where u.id in (h.officer, h.civilian)',
    'h.at',
  )},
  'movements', ${list(
    't.id, t.reason, t.at, t.rule_id as rule, t.rule_version as "ruleVersion", p.delta as points, p.balance_after as balance',
    'ledger.posting p join ledger.transfer t on t.id = p.transfer_id where p.account_id = u.id',
    'p.account_version_after',
  )},
  'redemptions', ${list(
    'm.id, m.offer_id as "offerId", m.quantity, m.points, m.at',
    'market.redemption m where m.user_id = u.id',
    'm.at',
  )},
  'offers', ${list(
    'f.id, f.title, f.description, f.points, f.state, f.created_at as "createdAt"',
    'market.offer f where f.merchant = u.id',
    'f.created_at',
  )},
  'fines', ${list('f.id, f.title, f.points, f.at', 'giving.fee f where f.payer = u.id', 'f.at')},
  'operators', ${list('a.action, a.at', 'ops.operator_audit a where a.user_id = u.id', 'a.number')})
from user_schema.users u where u.id = $1::uuid`;

export class PgPersonBook implements PersonBook {
  readonly #lines: Lines;
  readonly #onEvent: () => void;

  /** @param options.onEvent told when an event waits in the outbox */
  constructor(options: { readonly url: string; readonly log: Log; readonly onEvent?: () => void }) {
    const { url, log, onEvent = () => {} } = options;
    this.#onEvent = onEvent;
    this.#lines = new Lines(1, {
      url,
      log,
      name: 'persons',
      settings: { statement_timeout: `${QUERY_STATEMENT_MS_MAX}`, jit: 'off' },
      silenceMsMax: QUERY_SILENCE_MS_MAX,
    });
  }

  /** Resolves after the first try to connect. */
  async tried(): Promise<void> {
    await this.#lines.tried();
  }

  async copy(userId: string, rows: number): Promise<Readonly<Record<string, unknown>> | null> {
    const found = await this.#lines.run({ name: 'person', text: COPY, values: [userId, rows] });
    return (found[0]?.[0] as Record<string, unknown> | undefined) ?? null;
  }

  async erase(userId: string, operatorId: string | null = null): Promise<Erasure> {
    const text = 'select ops.erase_person($1::uuid, $2::uuid)';
    const [row] = await this.#lines.run({ name: 'erase', text, values: [userId, operatorId] });
    this.#onEvent();
    return row![0] as Erasure;
  }

  close(): Promise<void> {
    return this.#lines.close();
  }
}
