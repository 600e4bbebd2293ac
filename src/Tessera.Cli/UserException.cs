namespace Tessera.Cli;

/// <summary>Something on the command line that cannot be right; the message is one line and says what would be.</summary>
internal sealed class UserException(string message) : Exception(message);
