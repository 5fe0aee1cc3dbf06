import type { agents } from '../../../src/db/schema-product.ts'
import { fill, happens, numberFor, oneOf, someOf } from './choose.ts'
import { languages } from './languages/index.ts'
import { userId } from './users.ts'

/** An agent as it is stored. */
export type Agent = typeof agents.$inferSelect

const avatars = ['🤖', '📘', '🧭', '🎯', '🪴', '🎨', '🧠', '💡', '🚀', '🦉'] as const
const hourMs = 3_600_000

/** The owner of agent number `row` among the first `users` users. */
export const ownerOf = (row: number, users: number): string =>
  userId(numberFor('owner', row, Math.max(1, users)) + 1)

/** Agent number `row`: about one in six has an opening text of its own, a few are virtual. */
export function seedAgent(row: number, users: number, now: Date): Agent {
  const language = oneOf(languages, 'agent language', row)
  const kind = oneOf(language.agents, 'agent kind', row)
  const subject = oneOf(language.interests, 'agent subject', row)
  const write = (template: string) => capitalize(fill(template, { subject }))
  const rules = someOf(language.rules, numberFor('how many rules', row, 6), 'rules', row)
  const own = numberFor('own text', row, 18)
  return {
    id: `a${String(row).padStart(6, '0')}`,
    userId: ownerOf(row, users),
    locale: oneOf(language.locales, 'agent locale', row),
    title: write(kind.title),
    description: happens('no description', row, 8) ? '' : write(kind.description),
    tags: someOf([kind.tag, subject], numberFor('how many tags', row, 3), 'tags', row),
    avatar: happens('no avatar', row, 15) ? null : oneOf(avatars, 'avatar', row),
    systemRole: happens('no system role', row, 5)
      ? ''
      : [write(kind.role), ...rules.map((rule) => `- ${rule}`)].join('\n'),
    openingMessage: own < 2 ? write(oneOf(language.openings, 'opening', row)) : own === 3 ? '  ' : null,
    openingQuestions:
      own === 1 || own === 2 ? someOf(language.questions, 3, 'opening questions', row).map(write) : [],
    virtual: happens('virtual', row, 5),
    visibility: happens('public', row, 40) ? 'public' : 'private',
    review: happens('submitted', row, 15) ? 'submitted' : 'none',
    createdAt: new Date(now.getTime() - numberFor('agent created', row, 500 * 24) * hourMs),
  }
}

const capitalize = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)
