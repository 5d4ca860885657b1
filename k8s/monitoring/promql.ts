/**
 * What a PromQL expression asks for: which series, by which labels. Read with the grammar of Prometheus itself, so that a
 * test can hold every rule and panel against the table of metrics.
 */
import { parser } from '@prometheus-io/lezer-promql';

export interface Matcher {
  readonly label: string;
  readonly op: string;
  readonly value: string;
}

export interface Selector {
  readonly metric: string;
  readonly matchers: readonly Matcher[];
}

export interface Asked {
  readonly selectors: readonly Selector[];
  /** Labels of `by (...)`, `without (...)`, `on (...)`. */
  readonly groupings: readonly string[];
  readonly functions: readonly string[];
}

export type Read = { ok: true; asked: Asked } | { ok: false; at: number };

/** The error node of the grammar. */
const ERROR_NODE = '⚠';

/** `at` is the offset of the first thing that is no PromQL. */
export const readPromql = (text: string): Read => {
  const selectors: { metric: string; matchers: Matcher[] }[] = [];
  const groupings: string[] = [];
  const functions: string[] = [];
  let inGrouping = false;
  let matcher: { label: string; op: string; value: string } | null = null;
  let wrongAt = -1;
  parser.parse(text).iterate({
    enter: node => {
      const said = text.slice(node.from, node.to);
      if (node.type.isError || node.name === ERROR_NODE) {
        if (wrongAt < 0) wrongAt = node.from;
      } else if (node.name === 'VectorSelector') selectors.push({ metric: '', matchers: [] });
      else if (node.name === 'Identifier') {
        const selector = selectors.at(-1);
        if (selector?.metric === '') selector.metric = said;
      } else if (node.name === 'FunctionIdentifier') functions.push(said);
      else if (node.name === 'GroupingLabels') inGrouping = true;
      else if (node.name === 'UnquotedLabelMatcher') {
        matcher = { label: '', op: '', value: '' };
        selectors.at(-1)?.matchers.push(matcher);
      } else if (node.name === 'LabelName') {
        if (matcher !== null) matcher.label = said;
        else if (inGrouping) groupings.push(said);
      } else if (node.name === 'MatchOp' && matcher !== null) matcher.op = said;
      else if (node.name === 'StringLiteral' && matcher !== null) matcher.value = said.slice(1, -1);
    },
    leave: node => {
      if (node.name === 'GroupingLabels') inGrouping = false;
      if (node.name === 'UnquotedLabelMatcher') matcher = null;
    },
  });
  if (wrongAt >= 0) return { ok: false, at: wrongAt };
  return { ok: true, asked: { selectors, groupings, functions } };
};
