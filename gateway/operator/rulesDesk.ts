/**
 * Where operators write the rules of the town: versions, their tests, which one counts, and what a movement was. As at the
 * other desks, each request is of a known operator and stands in the audit log before it takes effect.
 */
import { type Static, type TSchema, Type } from 'typebox';
import type { AuditEntry, AuditState, Directory } from '../../nodes/ports.ts';
import {
  AWARD_LIMITS,
  type Differing,
  type Explainer,
  RULE_KINDS,
  RULE_LIMITS,
  type RuleDraft,
  type RuleKeeper,
  reversedBy,
  type ScoreQuery,
} from '../../nodes/rulesPort.ts';
import { ACCOUNT_KINDS } from '../../protocol/catalogue.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { isUuid } from '../../protocol/ids.ts';
import type { Verifier } from '../auth/identify.ts';
import { errorBody, statusOf } from '../rest/errors.ts';
import type { OperatorAction } from './actions.ts';
import {
  type Answer,
  answered,
  attend,
  type Change,
  conforming,
  type Deed,
  type LineOptions,
  type Request,
  said,
} from './entrance.ts';
import { OPERATOR } from './limits.ts';

export interface RulesDeskOptions extends Verifier, LineOptions {
  readonly keeper: RuleKeeper;
  readonly explainer: Explainer;
  readonly directory: Pick<Directory, 'movement'>;
}

export const RULE_ROUTES = [
  'GET    /admin/rules                      every rule: kind, the version that counts, those that did; what was refused of it',
  'POST   /admin/rules                      {id, kind, title, content, tests, ...}: the first version of a rule, a draft',
  'PATCH  /admin/rules/{id}                 {content?, tests?, ...}: its next version, a draft',
  'GET    /admin/rules/{id}                 its versions with their states',
  'GET    /admin/rules/{id}/versions        the same',
  'GET    /admin/rules/{id}/versions/{n}    one of them',
  'POST   /admin/rules/{id}/test            {version}: runs its own tests',
  'POST   /admin/rules/{id}/publish         {version, revision?}: lets it count, if its own tests pass; 409 if overtaken',
  'POST   /admin/rules/{id}/retire          {revision?}: lets none count',
  'POST   /admin/rules/evaluate             {kind, input}: what counts now says; {id, version, input}: what that one says',
  'GET    /admin/transfers/{id}/explain     which rule gave which points, and why',
] as const;

const closed = { additionalProperties: false };
const Words = Type.Array(Type.String({ minLength: 1, maxLength: RULE_LIMITS.wordChars }), {
  maxItems: RULE_LIMITS.scopeItems,
});
const Count = Type.Integer({ minimum: 1, maximum: AWARD_LIMITS.countMax });
const Given = Type.Record(
  Type.String({ pattern: '^[a-zA-Z]{1,32}$' }),
  Type.Union([Type.String({ maxLength: RULE_LIMITS.wordChars }), Type.Number(), Type.Boolean()]),
);
const Numbers = Type.Record(Type.String({ maxLength: RULE_LIMITS.wordChars }), Type.Number());
const parts = {
  title: Type.String({ minLength: 1, maxLength: RULE_LIMITS.titleChars }),
  effectiveFromMs: Type.Integer({ minimum: 0 }),
  effectiveToMs: Type.Integer({ minimum: 0 }),
  scope: Type.Object(
    {
      states: Type.Optional(Words),
      cities: Type.Optional(Words),
      merchants: Type.Optional(Words),
      userKinds: Type.Optional(Type.Array(Type.Enum([...ACCOUNT_KINDS]), { maxItems: ACCOUNT_KINDS.length })),
    },
    closed,
  ),
  priority: Type.Integer({ minimum: 0, maximum: RULE_LIMITS.priorityMax }),
  content: Type.Object({}),
  limits: Type.Object(
    {
      cooldownS: Type.Optional(Type.Integer({ minimum: 0, maximum: RULE_LIMITS.cooldownSMax })),
      timesPerUserDay: Type.Optional(Count),
      pointsPerUserDay: Type.Optional(Count),
      budget: Type.Optional(
        Type.Object({ id: Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{0,63}$' }), points: Count }, closed),
      ),
    },
    closed,
  ),
  tests: Type.Array(
    Type.Object(
      {
        name: Type.String({ minLength: 1, maxLength: RULE_LIMITS.titleChars }),
        in: Given,
        out: Type.Object(
          {
            points: Type.Optional(Numbers),
            values: Type.Optional(Numbers),
            refusal: Type.Optional(Type.String()),
          },
          closed,
        ),
      },
      closed,
    ),
    { maxItems: RULE_LIMITS.tests },
  ),
};
const { title, content, tests, ...optional } = parts;
const RuleId = Type.String({ pattern: '^[a-z][a-z0-9.-]{2,62}$' });
const NewRule = Type.Object(
  {
    id: RuleId,
    kind: Type.Enum([...RULE_KINDS]),
    title,
    content,
    tests,
    ...Type.Partial(Type.Object(optional)).properties,
  },
  closed,
);
const Changes = Type.Partial(Type.Object(parts, closed), closed);
const Version = Type.Integer({ minimum: 1, maximum: 99_999 });
const Chosen = Type.Object({ version: Version }, closed);
const Publish = Type.Object({ version: Version, revision: Type.Optional(Count) }, closed);
const Retire = Type.Object({ revision: Type.Optional(Count) }, closed);
const Evaluate = Type.Union([
  Type.Object({ kind: Type.Enum([...RULE_KINDS]), input: Given }, closed),
  Type.Object({ id: RuleId, version: Version, input: Given }, closed),
]);

const RULE = /^\/admin\/rules\/([a-z][a-z0-9.-]{2,62})(?:\/(versions|test|publish|retire)(?:\/(\d{1,5}))?)?$/;
const EXPLAIN = /^\/admin\/transfers\/([^/]+)\/explain$/;

const noMovement = refuse(ERROR.notFound, 'no such movement');

interface RuleDeed {
  readonly action: OperatorAction;
  readonly detail: AuditEntry['detail'];
  readonly change?: Change;
  readonly work: (operatorId: string) => Promise<Result<object>>;
  /** Of an answer; 200 unless something was made. */
  readonly status?: number;
}

/** The JSON body when it is what the schema says; rules are larger than other bodies. */
const ruleOf = async <T extends TSchema>(schema: T, { bytes }: Request): Promise<Result<Static<T>>> => {
  const body = await bytes(RULE_LIMITS.versionBytes, OPERATOR.bodyMs);
  if (!body.ok) return body;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body.value).toString());
  } catch {
    return refuse(ERROR.malformed, 'the body is no JSON');
  }
  return conforming(schema, value);
};

/** A refusal to publish brings along what its tests differ in. */
const saidOf = (result: Result<Answer>): Answer => {
  if (result.ok || !('differences' in result)) return said(result);
  const { differences } = result as unknown as Differing;
  return { status: statusOf(result), body: { ...errorBody(result), differences } };
};

const audited = ({ action, detail, change, work, status = 200 }: RuleDeed): Deed => ({
  line: { action, userId: null, detail },
  ...(change && { change }),
  work: async operatorId => {
    const done = await work(operatorId);
    return done.ok ? answered(status, done.value) : done;
  },
});

export class RulesDesk {
  readonly #options: RulesDeskOptions;

  constructor(options: RulesDeskOptions) {
    this.#options = options;
  }

  /** Null when this is no route of ours. */
  async handle(request: Request): Promise<Answer | null> {
    const find = this.#routeOf(request);
    if (find === null) return null;
    const deed = async () => {
      const found = await find();
      return found.ok ? audited(found.value) : found;
    };
    return saidOf(await attend(this.#options, request, deed));
  }

  #routeOf(request: Request): (() => Promise<Result<RuleDeed>>) | null {
    const { method, path } = request;
    const { keeper } = this.#options;
    switch (`${method} ${path}`) {
      case 'GET /admin/rules':
        return async () =>
          ok({
            action: 'rule.list',
            detail: {},
            work: async () => ok({ items: await keeper.pointers() }),
          });
      case 'POST /admin/rules':
        return () => this.#create(request);
      case 'POST /admin/rules/evaluate':
        return () => this.#evaluate(request);
    }
    const transfer = method === 'GET' ? EXPLAIN.exec(path)?.[1] : undefined;
    if (transfer !== undefined) return async () => this.#explain(transfer);
    const [, id, what, version] = RULE.exec(path) ?? [];
    if (id === undefined || (version !== undefined && what !== 'versions')) return null;
    if (method === 'GET' && (what === undefined || what === 'versions'))
      return async () => ok(this.#look(id, version === undefined ? null : Number(version)));
    if (method === 'PATCH' && what === undefined) return () => this.#patch(id, request);
    if (method !== 'POST') return null;
    if (what === 'test') return () => this.#test(id, request);
    if (what === 'publish') return () => this.#publish(id, request);
    return what === 'retire' ? () => this.#retire(id, request) : null;
  }

  #look(id: string, version: number | null): RuleDeed {
    const { keeper } = this.#options;
    return {
      action: 'rule.look',
      detail: { rule: id, ...(version !== null && { version }) },
      work: () => (version === null ? keeper.look(id) : keeper.version(id, version)),
    };
  }

  async #create(request: Request): Promise<Result<RuleDeed>> {
    const body = await ruleOf(NewRule, request);
    if (!body.ok) return body;
    const { id, ...rest } = body.value;
    const always = { effectiveFromMs: 0, effectiveToMs: 0, scope: {}, priority: 1, limits: {} };
    const draft = { ...always, ...rest } as unknown as RuleDraft;
    const { kind } = draft;
    return ok({
      action: 'rule.create',
      detail: { rule: id, kind },
      change: this.#change(id, { version: 1, state: 'draft' }),
      status: 201,
      work: by => this.#options.keeper.create(by, id, draft),
    });
  }

  async #patch(id: string, request: Request): Promise<Result<RuleDeed>> {
    const body = await ruleOf(Changes, request);
    if (!body.ok) return body;
    const changes = body.value as unknown as Partial<RuleDraft>;
    return ok({
      action: 'rule.patch',
      detail: { rule: id },
      change: this.#change(id, { changed: Object.keys(changes).join(' '), state: 'draft' }),
      status: 201,
      work: by => this.#options.keeper.patch(by, id, changes),
    });
  }

  async #test(id: string, request: Request): Promise<Result<RuleDeed>> {
    const body = await ruleOf(Chosen, request);
    if (!body.ok) return body;
    const { version } = body.value;
    return ok({
      action: 'rule.test',
      detail: { rule: id, version },
      work: () => this.#options.keeper.test(id, version),
    });
  }

  async #publish(id: string, request: Request): Promise<Result<RuleDeed>> {
    const body = await ruleOf(Publish, request);
    if (!body.ok) return body;
    const { version, revision = null } = body.value;
    return ok({
      action: 'rule.publish',
      detail: { rule: id },
      change: this.#change(id, { active: version }),
      work: () => this.#options.keeper.publish(id, version, revision),
    });
  }

  async #retire(id: string, request: Request): Promise<Result<RuleDeed>> {
    const body = await ruleOf(Retire, request);
    if (!body.ok) return body;
    const { revision = null } = body.value;
    return ok({
      action: 'rule.retire',
      detail: { rule: id },
      change: this.#change(id, { active: 0 }),
      work: () => this.#options.keeper.retire(id, revision),
    });
  }

  /** Of a rule: which version counts now, and what becomes of it. */
  #change(id: string, after: AuditState): Change {
    const before = async (): Promise<AuditState | null> => {
      const pointer = await this.#options.keeper.pointer(id);
      return pointer && { active: pointer.active, revision: pointer.revision };
    };
    return { before, after };
  }

  async #evaluate(request: Request): Promise<Result<RuleDeed>> {
    const body = await ruleOf(Evaluate, request);
    if (!body.ok) return body;
    const { keeper } = this.#options;
    const asked = body.value;
    if ('kind' in asked) {
      const query = { type: 'score', ...asked } as unknown as ScoreQuery;
      const work = async () => ok(await keeper.evaluate(query));
      return ok({ action: 'rule.evaluate', detail: { kind: asked.kind }, work });
    }
    const { id, version, input } = asked;
    const work = () => keeper.evaluateVersion(id, version, input);
    return ok({ action: 'rule.evaluate', detail: { rule: id, version }, work });
  }

  #explain(id: string): Result<RuleDeed> {
    if (!isUuid(id)) return noMovement;
    const transferId = id.toLowerCase();
    const { auditLog, directory, explainer } = this.#options;
    return ok({
      action: 'transfer.explain',
      detail: { transferId },
      work: async () => {
        const movement = await directory.movement(transferId);
        if (movement === null) return noMovement;
        const reversed = await reversedBy(movement, auditLog, directory);
        return ok(await explainer.explain(movement, null, reversed));
      },
    });
  }
}
