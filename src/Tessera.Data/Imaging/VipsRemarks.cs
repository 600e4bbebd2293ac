using System.Text;
using System.Text.RegularExpressions;

namespace Tessera.Data.Imaging;

/// <summary>Whose messages libvips has: it keeps the messages of all threads in one buffer.</summary>
/// <remarks>
/// Calls of libvips run side by side, each inside of <see cref="Shared"/>. When one fails, or leaves a message without failing, the same is
/// done again while no other call runs, inside of <see cref="Alone"/>: what is in the buffer then is about this file.
/// </remarks>
internal static partial class VipsRemarks
{
    private const int LongestText = 160;

    private static readonly ReaderWriterLockSlim gate = new();
    private static long discarded;

    /// <summary>How often messages were thrown away of which nobody knew whose they were.</summary>
    internal static long Discarded => Volatile.Read(ref discarded);

    /// <summary>Whether messages may have come since <see cref="Discarded"/> had a value.</summary>
    internal static bool CameSince(long mark) => Discarded != mark || Vips.HasError;

    /// <summary>For calls that may run side by side.</summary>
    internal static SharedCalls Shared() => new();

    /// <summary>For calls while no others run; the buffer is empty at first.</summary>
    internal static LoneCalls Alone() => new();

    internal readonly ref struct SharedCalls
    {
        private readonly ReaderWriterLockSlim held = gate;

        public SharedCalls() => held.EnterReadLock();

        public void Dispose() => held.ExitReadLock();
    }

    internal readonly ref struct LoneCalls
    {
        private readonly ReaderWriterLockSlim held = gate;

        public LoneCalls()
        {
            held.EnterWriteLock();
            if (!Vips.HasError)
                return;
            // In this order: who looks in between, without the lock, sees at least one of the two.
            Interlocked.Increment(ref discarded);
            Vips.TakeError();
        }

        /// <summary>The messages that came, each once.</summary>
        internal IReadOnlyList<string> Take() => held.IsWriteLockHeld ? Lines(Vips.TakeError()) : [];

        public void Dispose() => held.ExitWriteLock();
    }

    private static string[] Lines(string text) =>
        [
            .. text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
                .Select(line => Speaker().Replace(line, ""))
                .Where(line => line.Length > 0)
                .Distinct(),
        ];

    /// <summary>Messages in one line that is not too long.</summary>
    internal static string Text(IEnumerable<string> lines)
    {
        var text = new StringBuilder();
        foreach (var line in lines)
        {
            if (text.Length > 0 && text.Length + line.Length > LongestText)
                break;
            text.Append(text.Length > 0 ? "; " : "").Append(line);
        }
        if (text.Length > LongestText)
        {
            text.Length = LongestText;
            text.Append("...");
        }
        return text.ToString();
    }

    // The part of libvips that has a message, in front of it.
    [GeneratedRegex("^((Vips|vips|tiff|jpeg|png|webp)[A-Za-z0-9_]*: )+")]
    private static partial Regex Speaker();
}
