from hypothesis import settings

settings.register_profile("evaluate", deadline=None)
settings.load_profile("evaluate")
