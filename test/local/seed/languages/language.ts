export type Texts = readonly [string, ...string[]]

/** A kind of agent; `{subject}` stands for one of the language's interests. */
export type AgentKind = { title: string; description: string; role: string; tag: string }

/** What the population of one language is written with. */
export type Language = {
  /** BCP 47. */
  locales: Texts
  givenNames: Texts
  familyNames: Texts
  /** A full name, with `{given}` and `{family}`. */
  fullName: string
  interests: Texts
  /** Titles of conversations about `{subject}`. */
  topics: Texts
  agents: readonly [AgentKind, ...AgentKind[]]
  /** What a long system role goes on with. */
  rules: Texts
  /** Opening messages that an agent's owner wrote, with `{subject}`. */
  openings: Texts
  /** Opening questions that an agent's owner wrote, with `{subject}`. */
  questions: Texts
}
