/** What the desks of the office answer, as the admin port shows it: a line a route. */
import { CORRECTION_ROUTES } from './correctionDesk.ts';
import { OPERATOR_ROUTES } from './desk.ts';
import { GIVING_ROUTES } from './givingDesk.ts';
import { OFFER_ROUTES } from './offersDesk.ts';
import { PERSON_ROUTES } from './personsDesk.ts';
import { PLACE_ROUTES } from './placesDesk.ts';
import { RULE_ROUTES } from './rulesDesk.ts';
import { STREAM_ROUTES } from './streamsDesk.ts';

export { MACHINE_ROUTES } from './machineDesk.ts';

/** For operators, by their tokens. */
export const DESK_ROUTES = [
  ...OPERATOR_ROUTES,
  ...PERSON_ROUTES,
  ...PLACE_ROUTES,
  ...RULE_ROUTES,
  ...GIVING_ROUTES,
  ...STREAM_ROUTES,
  ...CORRECTION_ROUTES,
  ...OFFER_ROUTES,
] as const;
