/** Everything that is said to what keeps the budget of a business rule (`budget.ts`). */
export type BudgetMessage =
  /**
   * Ask, to a stripe: so many points are to be given. Answer `{}`; 409 when there are not so many left. What was taken and
   * is not given after all is said back.
   */
  | { readonly type: 'take'; readonly points: number; readonly of: number }
  /** Tell, to a stripe: these are not given after all. */
  | { readonly type: 'giveBack'; readonly points: number }
  /** Ask, from a stripe to the whole: at least so many points, and more to have some in hand. Answer {@link Leased}. */
  | { readonly type: 'lease'; readonly points: number; readonly of: number }
  /** Tell, from a stripe to the whole: nobody asked for these. */
  | { readonly type: 'returned'; readonly points: number }
  /** A stripe's own timer: nobody has asked for a while. */
  | { readonly type: 'rest' };

export interface Leased {
  readonly points: number;
}
