import { readAgents, type FileAgent } from '../seed/agents-file.ts'
import type { Seeded } from '../seed/insert.ts'
import { countOption } from './options.ts'

/** The value of `--agents`: a number, or the path of a file of JSON lines. */
export const agentsOption = (text: string): number | string =>
  /^-?\d+$/.test(text) ? countOption('agents', text) : text

/** The agents themselves when the option names a file. */
export const loadAgents = (option: number | string): Promise<number | FileAgent[]> =>
  typeof option === 'number' ? Promise.resolve(option) : readAgents(option)

/** What seeding did, for who typed the command. */
export const describeSeeded = ({ users, subscriptions, topics, agents }: Seeded): string =>
  `${users} users, ${subscriptions} subscriptions, ${topics} topics, ${agents} agents`
