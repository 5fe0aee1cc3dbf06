import type { Chance } from './chance.ts'
import type { Delivery, Fate } from './deliver.ts'
import type { Passage, Passing } from './gateway.ts'

/** What goes wrong, as a seed has it. */
export type Storm = {
  /** Deliveries come more than once, or late, and nothing else is wrong. */
  isMild: boolean
  /** Real milliseconds after which QStash gives a delivery up: few while answers of the model may freeze. */
  patienceMs: () => number
  /** What becomes of a request of the Worker. */
  passing: (passage: Passage) => Passing
  fate: (delivery: Delivery) => Fate
  /** It is over. */
  end: () => void
}

const services = ['neon', 'redis', 'model', 'mail', 'payments', 'qstash'] as const
const passings = ['refused', 'cut', 'lost', 'cut after', 'slow', 'hung'] as const
const fates = ['lost', 'unanswered', 'twice', 'together', 'again', 'late'] as const
const duplicates = ['twice', 'together', 'again', 'late'] as const
const strengths = [0, 0.01, 0.03, 0.1] as const
/** Of services that are asked a few times an item. */
const strengthsOfFew = [0, 0.05, 0.15, 0.3] as const
const few: ReadonlySet<string> = new Set(['mail', 'payments'])

/** The statement, or where a request goes: ids differ from run to run. */
const subjectOf = ({ service, method, path, body }: Passage): string =>
  service === 'neon'
    ? `neon ${body.slice(0, 400)}`
    : `${service} ${method} ${path.replaceAll(/[0-9a-f-]{20,}|wfr_\w+/g, '')}`

export function storm(chance: Chance, note: (event: string) => void): Storm {
  let isOver = false
  // One in five has nothing but duplicates, so that everything can be counted.
  const isMild = chance.happens('mild', 0.2)
  const strength = Object.fromEntries(
    services.map((service) => {
      const given = few.has(service) ? strengthsOfFew : strengths
      return [service, isMild ? 0 : chance.oneOf(`strength of ${service}`, given)]
    }),
  )
  const share = isMild ? 0.3 : chance.oneOf('strength of deliveries', [0, 0.02, 0.1, 0.3])
  const deaths = isMild ? 0 : chance.oneOf('strength of deaths', [0, 0, 0, 0.02])
  const hangs = chance.happens('hangs', 0.2)
  const freezes = !isMild && chance.happens('freezes', 0.25)
  return {
    isMild,
    patienceMs: () => (freezes && !isOver ? 200 : 20_000),
    passing(passage) {
      const subject = subjectOf(passage)
      if (isOver) return 'passed'
      if (freezes && passage.service === 'model' && chance.happens('freeze', 0.2)) {
        note('the model freezes')
        return 'frozen'
      }
      if (!chance.happens(subject, strength[passage.service] ?? 0)) return 'passed'
      const passing = chance.oneOf(`${subject}: how`, passings)
      if (passing === 'hung' && !hangs) return 'slow'
      note(`${passage.service} ${passage.path} ${passing}`)
      return passing
    },
    fate({ url }) {
      const subject = new URL(url).pathname
      if (isOver) return 'normal'
      if (chance.happens(`${subject}: death`, deaths)) return 'killed'
      if (!chance.happens(subject, share)) return 'normal'
      return chance.oneOf(`${subject}: how`, isMild ? duplicates : fates)
    },
    end: () => {
      isOver = true
    },
  }
}
