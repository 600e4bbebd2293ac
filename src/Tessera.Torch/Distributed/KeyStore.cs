using System.Diagnostics;
using System.Text;
using Tessera.Native;

namespace Tessera.Distributed;

/// <summary>Short texts by name that all processes see; rank 0 holds them.</summary>
internal sealed unsafe class KeyStore : IDisposable
{
    // Asked of c10d, no time at all would mean that of the last question.
    private static readonly TimeSpan shortest = TimeSpan.FromMilliseconds(10);

    private readonly StoreHandle handle;

    /// <summary>Opens the store (rank 0, at first), or connects to it.</summary>
    /// <exception cref="CommunicationException">There is nothing to connect to within the time.</exception>
    internal KeyStore(string host, int port, bool serves, TimeSpan timeout) =>
        Dispatcher.Check(Imports.StoreNew(host, port, serves ? 1 : 0, (long)timeout.TotalMilliseconds, out handle));

    internal StoreHandle Handle => handle;

    internal void Set(string key, string value)
    {
        var bytes = Encoding.UTF8.GetBytes(value);
        fixed (byte* first = bytes)
            Dispatcher.Check(Imports.StoreSet(handle, key, first, bytes.Length));
    }

    /// <summary>Waits until there is a value.</summary>
    internal string Get(string key, TimeSpan timeout)
    {
        Dispatcher.Check(Imports.StoreGet(handle, key, (long)timeout.TotalMilliseconds, out var value, out var count));
        try
        {
            return Encoding.UTF8.GetString(value, count);
        }
        finally
        {
            Imports.Free(value);
        }
    }

    /// <summary>Waits until all keys have a value.</summary>
    /// <returns>False when one has none within the limit, which is for all together, or when the store is lost.</returns>
    internal bool Await(IReadOnlyCollection<string> keys, TimeSpan limit) => Follow(keys, limit).Count() == keys.Count;

    /// <summary>Values in the order of their keys, each as soon as it is there.</summary>
    /// <returns>
    /// The values up to the first key without one. The limit is for all keys together; a lost store ends the values too.
    /// </returns>
    internal IEnumerable<string> Follow(IEnumerable<string> keys, TimeSpan limit)
    {
        var waited = Stopwatch.StartNew();
        foreach (var key in keys)
        {
            if (Find(key, limit - waited.Elapsed) is not { } value)
                yield break;
            yield return value;
        }
    }

    private string? Find(string key, TimeSpan left)
    {
        try
        {
            return Get(key, left > shortest ? left : shortest);
        }
        catch (TorchException)
        {
            return null;
        }
    }

    internal bool Has(string key)
    {
        Dispatcher.Check(Imports.StoreCheck(handle, key, out var present));
        return present != 0;
    }

    /// <summary>Adds to a counter, which begins at 0.</summary>
    internal long Add(string key, long value)
    {
        Dispatcher.Check(Imports.StoreAdd(handle, key, value, out var result));
        return result;
    }

    public void Dispose() => handle.Dispose();
}
