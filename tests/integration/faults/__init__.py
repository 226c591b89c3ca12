"""A seeded nemesis: releases on real hosts while something breaks."""
