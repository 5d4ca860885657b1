/**
 * What a reader may look for and does not find: events that such a house may tell, and why this one does not. Each names
 * several when one reason is theirs.
 */
export const UNTOLD: readonly { readonly types: readonly string[]; readonly because: string }[] = [
  {
    types: ['token.issued'],
    because:
      'A token is signed and not stored: nothing is written with which it could be told, and phones renew theirs more often than they move points. What ends one is told (`token.revoked`).',
  },
  {
    types: ['auth.login_failed', 'auth.locked'],
    because:
      'Nothing is written when a password is wrong, and a stranger who guesses must not be able to fill the streams. No account is ever locked: only the address that guesses waits.',
  },
  {
    types: ['user.preferences_updated'],
    because: 'No preferences are kept. Who shows himself where, and for how long, is nobody’s history.',
  },
  {
    types: ['proximity.entered', 'proximity.left', 'interaction.recorded'],
    because:
      'Who was near whom is a position. It is told to the two and kept by nobody; what comes of it is `encounter.recorded`.',
  },
  {
    types: ['account.credited'],
    because:
      'Every movement names all of its legs with balance and version of each account: a second event of each leg would say it again.',
  },
  {
    types: ['order.*', 'payment.*', 'product.*'],
    because:
      'There are no orders, no money and no products: what is redeemed with points is told by `redemption.*` and `stock.*`.',
  },
  {
    types: ['event.ingested', 'journey.*', 'notification.*', 'batch.completed'],
    because: 'There are no journeys, no notifications but those of the realtime protocol, and no exports.',
  },
];
