// Whose run it is: the first two elements of its group.

export type RunOwner = { readonly type: 'project' | 'user'; readonly id: string }

/** `/project/ID/branch/main` is of project ID; undefined for groups of other kinds. */
export function runOwnerOf(group: string): RunOwner | undefined {
  const [, type, id] = group.split('/')
  if ((type !== 'project' && type !== 'user') || id === undefined || id === '') return undefined
  return { type, id: decodeURIComponent(id) }
}
