using System.Collections;

namespace Tessera;

/// <summary>Sizes of a tensor: <c>var (b, n, c) = x.Shape</c>.</summary>
public readonly struct Shape : IReadOnlyList<long>, IEquatable<Shape>
{
    private readonly long[]? sizes;

    /// <summary>A shape of the given sizes.</summary>
    public Shape(params ReadOnlySpan<long> sizes) => this.sizes = sizes.ToArray();

    /// <summary>Number of dimensions.</summary>
    public int Count => sizes?.Length ?? 0;

    /// <summary>Size of a dimension; <c>^1</c> is the last.</summary>
    public long this[int dimension] => AsSpan()[dimension];

    /// <summary>Number of elements: the product of the sizes, 1 for a scalar.</summary>
    public long Elements
    {
        get
        {
            var product = 1L;
            foreach (var size in AsSpan())
                product = checked(product * size);
            return product;
        }
    }

    /// <summary>The sizes.</summary>
    public ReadOnlySpan<long> AsSpan() => sizes;

    /// <summary>Takes a shape of two dimensions apart.</summary>
    public void Deconstruct(out long a, out long b)
    {
        Require(2);
        (a, b) = (sizes![0], sizes[1]);
    }

    /// <summary>Takes a shape of three dimensions apart.</summary>
    public void Deconstruct(out long a, out long b, out long c)
    {
        Require(3);
        (a, b, c) = (sizes![0], sizes[1], sizes[2]);
    }

    /// <summary>Takes a shape of four dimensions apart.</summary>
    public void Deconstruct(out long a, out long b, out long c, out long d)
    {
        Require(4);
        (a, b, c, d) = (sizes![0], sizes[1], sizes[2], sizes[3]);
    }

    /// <summary>Takes a shape of five dimensions apart.</summary>
    public void Deconstruct(out long a, out long b, out long c, out long d, out long e)
    {
        Require(5);
        (a, b, c, d, e) = (sizes![0], sizes[1], sizes[2], sizes[3], sizes[4]);
    }

    private void Require(int dimensions)
    {
        if (Count != dimensions)
            throw new ShapeException($"the shape must have {dimensions} dimensions, not be {this}");
    }

    /// <inheritdoc/>
    public bool Equals(Shape other) => AsSpan().SequenceEqual(other.AsSpan());

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Shape other && Equals(other);

    /// <summary>Equal sizes.</summary>
    public static bool operator ==(Shape left, Shape right) => left.Equals(right);

    /// <summary>Different sizes.</summary>
    public static bool operator !=(Shape left, Shape right) => !left.Equals(right);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = default(HashCode);
        foreach (var size in AsSpan())
            hash.Add(size);
        return hash.ToHashCode();
    }

    /// <summary>The sizes, as operators take them.</summary>
    public static implicit operator ReadOnlySpan<long>(Shape shape) => shape.AsSpan();

    /// <inheritdoc/>
    public IEnumerator<long> GetEnumerator() => ((IEnumerable<long>)(sizes ?? [])).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>As in <c>[2, 3, 4]</c>.</summary>
    public override string ToString() => $"[{string.Join(", ", this)}]";
}
