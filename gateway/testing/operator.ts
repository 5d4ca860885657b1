/** How tests of operators' routes ask. */

export interface Asked {
  readonly body?: object;
  /** Access token; null: nobody in particular. */
  readonly as: string | null;
  /** What a change is for; null: nothing is said of that. */
  readonly why?: string | null;
}

export const asOperator = async (
  port: number,
  method: string,
  path: string,
  { body, as, why = 'a letter of 3 May' }: Asked,
) => {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: {
      ...(why !== null && { 'heyblue-why': why }),
      ...(as !== null && { authorization: `Bearer ${as}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
};
