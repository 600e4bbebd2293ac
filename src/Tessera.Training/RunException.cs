namespace Tessera.Training;

/// <summary>A run, or a combination of settings, that cannot be used; the message is one line.</summary>
public sealed class RunException(string message) : Exception(Tessera.Message.OneLine(message));
