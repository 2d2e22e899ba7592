// For svelte-check; the build needs nothing of it.
export default {};
