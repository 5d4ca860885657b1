/**
 * Loaded by `--import` into the nodes of a test start, and into their threads: patches the sources of the mutant that
 * `CHAOS_MUTANT` names while they are loaded. Without it nothing happens.
 */
import { applyMutant } from '../simulate/mutate.ts';
import { MUTANTS } from './mutants.ts';

const name = process.env.CHAOS_MUTANT;
const mutant = MUTANTS.find(one => one.name === name);
if (name !== undefined && mutant === undefined) throw new Error(`there is no mutant ${name}`);
if (mutant !== undefined) applyMutant({ ...mutant, profile: 'calm' });
