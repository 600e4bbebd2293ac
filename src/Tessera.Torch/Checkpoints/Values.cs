using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace Tessera.Checkpoints;

/// <summary>A tuple of a checkpoint.</summary>
public sealed class CheckpointTuple : IReadOnlyList<object?>
{
    readonly object?[] items;

    internal CheckpointTuple(params object?[] items) => this.items = items;

    /// <summary>The items themselves, to replace one.</summary>
    internal Span<object?> Items => items;

    /// <inheritdoc/>
    public object? this[int index] => items[index];

    /// <inheritdoc/>
    public int Count => items.Length;

    /// <inheritdoc/>
    public IEnumerator<object?> GetEnumerator() => ((IEnumerable<object?>)items).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => items.GetEnumerator();
}

/// <summary>
/// A dictionary of a checkpoint, in the file's order. Keys are strings or numbers as a rule; strings, numbers,
/// booleans and null compare by value, any other key by identity.
/// </summary>
public sealed class CheckpointDictionary : IReadOnlyCollection<KeyValuePair<object?, object?>>
{
    OrderedDictionary<Key, object?>? items;

    internal CheckpointDictionary() { }

    /// <summary>What Python attached to the dictionary; not part of its contents, and never walked through.</summary>
    internal CheckpointDictionary? Attributes { get; set; }

    /// <inheritdoc/>
    public int Count => items?.Count ?? 0;

    /// <summary>The value under a key.</summary>
    /// <exception cref="KeyNotFoundException">There is no such key.</exception>
    public object? this[object? key]
    {
        get => TryGetValue(key, out var value) ? value : throw new KeyNotFoundException($"the dictionary has no key '{key}'");
        internal set => (items ??= [])[new Key(key)] = value;
    }

    /// <summary>The value under a key, if there is one.</summary>
    public bool TryGetValue(object? key, out object? value)
    {
        value = null;
        return items is not null && items.TryGetValue(new Key(key is int number ? (long)number : key), out value);
    }

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<object?, object?>> GetEnumerator()
    {
        foreach (var (key, value) in items ?? [])
            yield return new(key.Value, value);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Takes the entries out whose key is not wanted, and changes the values of the others.</summary>
    internal void Rewrite(Func<object?, bool> wanted, Func<object?, object?> change)
    {
        for (var i = Count - 1; i >= 0; i--)
        {
            var (key, value) = items!.GetAt(i);
            if (!wanted(key.Value))
                items.RemoveAt(i);
            else if (change(value) is var changed && !ReferenceEquals(changed, value))
                items.SetAt(i, changed);
        }
    }

    /// <summary>Allows null, and spreads numbers with a seed, so that no file can be made of colliding ones.</summary>
    sealed record Key(object? Value)
    {
        public override int GetHashCode() =>
            Value switch
            {
                long number => HashCode.Combine((int)number, (int)(number >> 32)),
                double number => HashCode.Combine(
                    (int)BitConverter.DoubleToInt64Bits(number),
                    (int)(BitConverter.DoubleToInt64Bits(number) >> 32)
                ),
                null => 0,
                _ => Value.GetHashCode(),
            };
    }
}

/// <summary>
/// Stands where a value of a pickle refers to one that it is part of, such as a configuration's reference to its parent, so that the
/// values form a tree.
/// </summary>
public sealed class EnclosingReference
{
    /// <summary>All of them are the same.</summary>
    public static readonly EnclosingReference Instance = new();

    EnclosingReference() { }

    /// <inheritdoc/>
    public override string ToString() => "(a value around this one)";
}

/// <summary>A class or function that a pickle names. It stands for itself: nothing is ever looked up.</summary>
/// <param name="Module">Python module.</param>
/// <param name="Name">Name in the module.</param>
public sealed record GlobalReference(string Module, string Name)
{
    /// <summary><c>module.name</c>.</summary>
    public override string ToString() => $"{Module}.{Name}";
}

/// <summary>
/// An object of a Python class that has no counterpart here: its data without its behaviour.
/// For an <c>argparse.Namespace</c>, <see cref="State"/> is the dictionary of its fields.
/// </summary>
public class OpaqueRecord
{
    List<object?>? contents;

    internal OpaqueRecord(string typeName, CheckpointTuple? arguments = null)
    {
        TypeName = typeName;
        Arguments = arguments;
    }

    /// <summary>Class or function that the file would have called, as <c>module.name</c>.</summary>
    public string TypeName { get; }

    /// <summary>The arguments it would have been given.</summary>
    public CheckpointTuple? Arguments { get; internal set; }

    /// <summary>The state it would have been given afterwards, a dictionary as a rule.</summary>
    public object? State { get; internal set; }

    /// <summary>Elements appended to it, or keys and values in turn.</summary>
    public IReadOnlyList<object?> Contents => contents ?? (IReadOnlyList<object?>)[];

    /// <summary>Whether it is a whole PyTorch module, pickled with its class.</summary>
    public bool IsModule => Fields is { } fields && fields.TryGetValue("_parameters", out _) && fields.TryGetValue("_modules", out _);

    /// <summary>The state, where it is a dictionary.</summary>
    public CheckpointDictionary? Fields => State as CheckpointDictionary;

    internal void Add(object? value) => (contents ??= []).Add(value);

    /// <summary>Elements to replace; null where there are none.</summary>
    internal List<object?>? Elements => contents;

    /// <summary>A field of the state, for records like <c>argparse.Namespace</c>.</summary>
    public bool TryGetField(string name, [MaybeNullWhen(false)] out object? value)
    {
        value = null;
        return Fields is { } fields && fields.TryGetValue(name, out value);
    }

    /// <summary>The type's name.</summary>
    public override string ToString() => $"<{TypeName}>";
}
