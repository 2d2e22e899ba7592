import { mount } from 'svelte';
import './app.css';
import App from './App.svelte';
import { applyTheme, theme } from './lib/theme.svelte';

applyTheme(theme.choice);
const target = document.getElementById('app');
if (target) mount(App, { target });
