/** The statuses that a refusal can have. */
export type ProblemStatus = 400 | 401 | 404 | 408 | 409 | 412

/** An answer other than success; rendered as `{ "error": message }`. */
export class Problem extends Error {
  readonly status: ProblemStatus

  constructor(status: ProblemStatus, message: string) {
    super(message)
    this.name = 'Problem'
    this.status = status
  }
}

/** What the real service answers to a step of a run that no longer takes any. */
export const runIsGone = () => new Problem(400, 'can not append to a a cancelled workflow')
