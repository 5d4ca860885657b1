/** What an event means to the users domain: rows of its tables. Pure, so that it can be read like a specification. */
import { MINT_ACCOUNT } from '../../actors/durable.ts';
import type { EventType, Movement, Redemption } from '../events/catalogue.ts';

export interface PersonRow {
  readonly event_id: string;
  readonly user_id: string;
  readonly kind: string;
  readonly zip: string | null;
  readonly at: string;
}
export interface TransactionRow {
  readonly event_id: string;
  readonly user_id: string;
  readonly type: string;
  readonly reason: string;
  readonly delta: number;
  readonly balance: number | null;
  readonly version: number | null;
  readonly rule_id: string;
  readonly rule_version: number;
  readonly at: string;
}
export interface EncounterRow {
  readonly event_id: string;
  readonly civilian: string;
  readonly officer: string;
  readonly method: string;
  /** Empty: not known. */
  readonly zip: string;
  readonly civilian_points: number;
  readonly officer_points: number;
  readonly at: string;
}
export interface DonationRow {
  readonly event_id: string;
  readonly beneficiary: string;
  readonly donor: string;
  readonly points: number;
  readonly at: string;
}
export interface SaleRow {
  readonly event_id: string;
  readonly redemption_id: string;
  readonly merchant: string;
  readonly offer: string;
  readonly customer: string;
  readonly quantity: number;
  readonly points: number;
  readonly at: string;
}

export interface Facts {
  readonly events: string[];
  readonly persons: PersonRow[];
  readonly transactions: TransactionRow[];
  readonly encounters: EncounterRow[];
  readonly donations: DonationRow[];
  readonly sales: SaleRow[];
}

export const noFacts = (): Facts => ({
  events: [],
  persons: [],
  transactions: [],
  encounters: [],
  donations: [],
  sales: [],
});

/** An event that is readable by the catalogue. */
export interface ReadEvent {
  readonly id: string;
  readonly type: EventType;
  readonly time: string;
  readonly subject: string;
  readonly data: object;
}

const pointsOf = ({ legs }: Movement, account: string): number =>
  legs.find(leg => leg.account === account)?.delta ?? 0;

function addMovement(facts: Facts, { id, type, time }: ReadEvent, movement: Movement): void {
  for (const { account, delta, balance = null, version = null } of movement.legs) {
    if (account === MINT_ACCOUNT) continue;
    facts.transactions.push({
      event_id: id,
      user_id: account,
      type,
      reason: movement.reason,
      delta,
      balance,
      version,
      rule_id: movement.rule.id,
      rule_version: movement.rule.version,
      at: time,
    });
  }
}

function addEncounter(facts: Facts, { id, time }: ReadEvent, movement: Movement): void {
  const { civilian, officer, method, zip } = movement;
  if (civilian === null || officer === null) return;
  facts.encounters.push({
    event_id: id,
    civilian,
    officer,
    method: method ?? '',
    zip: zip ?? '',
    civilian_points: pointsOf(movement, civilian),
    officer_points: pointsOf(movement, officer),
    at: time,
  });
}

function addDonation(facts: Facts, { id, time, subject }: ReadEvent, { legs }: Movement): void {
  for (const { account, delta } of legs) {
    // what the mint gave has no donor
    if (delta > 0 && account !== subject)
      facts.donations.push({ event_id: id, beneficiary: account, donor: subject, points: delta, at: time });
  }
}

function addSale(facts: Facts, { id, time }: ReadEvent, sale: Redemption, sign: 1 | -1): void {
  facts.sales.push({
    event_id: id,
    redemption_id: sale.redemptionId,
    merchant: sale.merchant,
    offer: sale.offer,
    customer: sale.user,
    quantity: sign * sale.quantity,
    points: sign * sale.points,
    at: time,
  });
}

/** Adds what the event means; one that means nothing here adds nothing. */
export function addFacts(facts: Facts, event: ReadEvent): void {
  const { id, type, time, data } = event;
  const before = facts.transactions.length + facts.sales.length + facts.persons.length;
  if (type === 'encounter.recorded' || type.startsWith('points.')) {
    const movement = data as Movement;
    addMovement(facts, event, movement);
    if (type === 'encounter.recorded') addEncounter(facts, event, movement);
    if (type === 'points.donated') addDonation(facts, event, movement);
  } else if (type === 'redemption.confirmed') addSale(facts, event, data as Redemption, 1);
  else if (type === 'redemption.refunded') addSale(facts, event, data as Redemption, -1);
  else if (type === 'user.registered') {
    const { userId, kind, zip } = data as { userId: string; kind: string; zip: string | null };
    facts.persons.push({ event_id: id, user_id: userId, kind, zip, at: time });
  }
  if (facts.transactions.length + facts.sales.length + facts.persons.length > before) facts.events.push(id);
}
