/** What the admin port answers to operators and to whoever runs the machine: taken from the lists that it shows itself. */
import { CORRECTION_ROUTES } from '../../gateway/operator/correctionDesk.ts';
import { OPERATOR_ROUTES } from '../../gateway/operator/desk.ts';
import { GIVING_ROUTES } from '../../gateway/operator/givingDesk.ts';
import { MACHINE_ROUTES } from '../../gateway/operator/machineDesk.ts';
import { PLACE_ROUTES } from '../../gateway/operator/placesDesk.ts';
import { RULE_ROUTES } from '../../gateway/operator/rulesDesk.ts';
import { STREAM_ROUTES } from '../../gateway/operator/streamsDesk.ts';

/** `GET /admin/users/{id}` and the like. */
export const ADMIN_ROUTES: readonly string[] = [
  ...MACHINE_ROUTES,
  ...OPERATOR_ROUTES,
  ...PLACE_ROUTES,
  ...RULE_ROUTES,
  ...GIVING_ROUTES,
  ...STREAM_ROUTES,
  ...CORRECTION_ROUTES,
].map(line => line.split(/\s+/).slice(0, 2).join(' '));
