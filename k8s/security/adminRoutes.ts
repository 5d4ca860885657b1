/** What the admin port answers to operators and to whoever runs the machine: taken from the lists that it shows itself. */
import { DESK_ROUTES, MACHINE_ROUTES } from '../../gateway/operator/routes.ts';

/** `GET /admin/users/{id}` and the like. */
export const ADMIN_ROUTES: readonly string[] = [...MACHINE_ROUTES, ...DESK_ROUTES].map(line =>
  line.split(/\s+/).slice(0, 2).join(' '),
);
