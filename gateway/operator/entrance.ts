/**
 * What every route of operators does, whatever it is about: who asks, what the line says, and the line before the deed.
 */
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import type { AuditEntry, AuditLog, AuditState, Log, Metrics } from '../../nodes/ports.ts';
import { ERROR, ok, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import { identify, type Verifier } from '../auth/identify.ts';
import { permits } from '../auth/scopes.ts';
import { errorBody, reaching, statusOf } from '../rest/errors.ts';
import type { OperatorAction } from './actions.ts';

export interface Request {
  readonly method: string;
  readonly path: string;
  /** What stands behind the question mark. */
  readonly query: URLSearchParams;
  readonly authorization: string | undefined;
  /** What a change is for, in the operator's words: the header `heyblue-why`; no change goes without one. */
  readonly why: string | undefined;
  /** The parsed body; a refusal when it is none. Read once, and only by routes that need it. */
  readonly body: () => Promise<Result<unknown>>;
  /** The body as it came, at most so many bytes within so many milliseconds. Instead of `body`. */
  readonly bytes: (most: number, ms: number) => Promise<Result<Uint8Array>>;
}

export interface Answer {
  readonly status: number;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What stands in the audit log. */
export type Line = Omit<AuditEntry, 'operatorId' | 'action'> & { readonly action: OperatorAction };

export interface LineOptions {
  readonly auditLog: AuditLog;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Words of an operator about a change: one line. A regular expression. */
export const WHY = '^[^\\x00-\\x1f\\x7f]{1,200}$';
const isWhy = new RegExp(WHY);

const notOperator = refuse(ERROR.forbidden, 'this is for operators');
const unwritten = refuse(ERROR.unavailable, 'the audit log cannot be written, so nothing is done', 1_000);

/** Account of the operator who asks. */
const operatorOf = async (verifier: Verifier, { authorization }: Request): Promise<Result<string>> => {
  const known = await identify(verifier, authorization);
  if (!known.ok) return known;
  const { userId, kind, scopes } = known.value;
  return kind === 'operator' && permits(scopes, 'operate') ? ok(userId) : notOperator;
};

/** Null when the line stands. */
const writeLine = async (
  { auditLog, log, metrics }: LineOptions,
  entry: Line & Pick<AuditEntry, 'operatorId'>,
): Promise<Refusal | null> => {
  const { operatorId, action, userId } = entry;
  try {
    await auditLog.append(entry);
  } catch (error) {
    metrics.count('rt_operator_actions_total', { action, result: 'unwritten' });
    log.error({ err: error, operator: operatorId, action, user: userId }, 'an access cannot be audited');
    return unwritten;
  }
  metrics.count('rt_operator_actions_total', { action, result: 'written' });
  log.info({ operator: operatorId, action, user: userId }, 'an operator acts');
  return null;
};

/** What a deed changes: both stand in the line, so that the trail alone tells what was made of what. */
export interface Change {
  /** How it stands now, read before the line is written; null: there is none, or nothing is kept of it. */
  readonly before: () => Promise<AuditState | null>;
  /** How it shall stand; null: there shall be none. */
  readonly after: AuditState | null;
}

/** Of what nothing is kept that could be read before. */
export const changedTo = (after: AuditState): Change => ({ before: async () => null, after });

/** What is written down, and then done by `Who`. */
export interface Deed<Who = string> {
  readonly line: Line;
  /** Of a deed that changes something. */
  readonly change?: Change;
  readonly work: (operatorId: Who) => Promise<Result<Answer>>;
}

type Find<Who> = () => Deed<Who> | Result<never> | Promise<Deed<Who> | Result<never>>;

const badWhy = refuse(ERROR.invalid, 'heyblue-why: one line of 1 to 200 characters');
const noWhy = refuse(ERROR.invalid, 'heyblue-why: say what the change is for, in one line');

/** The line of a change: what it is made of, what it becomes, and why. */
const lineOf = async (
  { log }: Pick<LineOptions, 'log'>,
  { why }: Request,
  line: Line,
  { before, after }: Change,
): Promise<Result<Line>> => {
  if (why === undefined && line.detail.why === undefined) return noWhy;
  if (why !== undefined && !isWhy.test(why)) return badWhy;
  const read = await reaching(log, before);
  if (!read.ok) return read;
  const detail = { ...(why !== undefined && { why }), ...line.detail, before: read.value, after };
  return ok({ ...line, detail });
};

/** Who asks is known before it is looked at what he wants, and the line stands before the deed. */
const attendAs = async <Who extends string | null>(
  operator: Result<Who>,
  options: LineOptions,
  request: Request,
  find: Find<Who>,
): Promise<Result<Answer>> => {
  if (!operator.ok) return operator;
  const deed = await find();
  if ('ok' in deed) return deed;
  const line =
    deed.change === undefined ? ok(deed.line) : await lineOf(options, request, deed.line, deed.change);
  if (!line.ok) return line;
  const refusal = await writeLine(options, { operatorId: operator.value, ...line.value });
  if (refusal !== null) return refusal;
  const done = await reaching(options.log, () => deed.work(operator.value));
  return done.ok ? done.value : done;
};

/** What an operator asks for. */
export const attend = async (
  options: Verifier & LineOptions,
  request: Request,
  find: Find<string>,
): Promise<Result<Answer>> => attendAs(await operatorOf(options, request), options, request, find);

/**
 * What whoever reaches the port may ask for, because he runs the machine: no token is needed. A line without an operator
 * stands for him; who shows a token is an operator, and named.
 */
export const attendMachine = async (
  options: Verifier & LineOptions,
  request: Request,
  find: Find<string | null>,
): Promise<Result<Answer>> => {
  const operator = request.authorization === undefined ? ok(null) : await operatorOf(options, request);
  return attendAs<string | null>(operator, options, request, find);
};

export const answered = (status: number, body: object): Result<Answer> => ok({ status, body });

/** The parsed body when it is what the schema says. */
export const bodyOf = async <T extends TSchema>(schema: T, request: Request): Promise<Result<Static<T>>> => {
  const body = await request.body();
  return body.ok ? conforming(schema, body.value) : body;
};

/** The value when it is what the schema says. */
export const conforming = <T extends TSchema>(schema: T, value: unknown): Result<Static<T>> => {
  if (Value.Check(schema, value)) return ok(value as Static<T>);
  const [first] = Value.Errors(schema, value);
  return refuse(ERROR.invalid, `the body is not right: ${first?.instancePath ?? ''} ${first?.message ?? ''}`);
};

export const said = (result: Result<Answer>): Answer => {
  if (result.ok) return result.value;
  const status = statusOf(result);
  const headers = {
    ...(status === 401 && { 'www-authenticate': 'Bearer realm="heyblue"' }),
    ...(result.retryAfterMs > 0 && { 'retry-after': String(Math.ceil(result.retryAfterMs / 1_000)) }),
  };
  return { status, body: errorBody(result), headers };
};
