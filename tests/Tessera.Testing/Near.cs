using System.Globalization;
using Xunit;
using Xunit.Sdk;

namespace Tessera.Testing;

/// <summary>Compares tensors with numbers and with each other.</summary>
public static class Near
{
    /// <summary>The elements in row-major order, whatever the shape.</summary>
    public static void Values(Tensor actual, double tolerance, params double[] expected) =>
        Compare(expected, actual.ToArray<double>(), tolerance, actual.Shape);

    /// <summary>Shape and elements. The tolerance is relative to the largest expected element, absolute below 1.</summary>
    public static void Equal(Tensor expected, Tensor actual, double tolerance = 1e-6)
    {
        if (expected.Shape != actual.Shape)
            throw new XunitException($"a tensor of shape {expected.Shape} was expected, {actual.Shape} came");
        Compare(expected.ToArray<double>(), actual.ToArray<double>(), tolerance, actual.Shape);
    }

    /// <summary>The same type, shape and bits.</summary>
    public static void Identical(Tensor expected, Tensor actual)
    {
        Assert.Equal((expected.DType, expected.Shape), (actual.DType, actual.Shape));
        Assert.Equal(expected.ToBytes(), actual.ToBytes());
    }

    private static void Compare(double[] expected, double[] actual, double tolerance, Shape shape)
    {
        Assert.Equal(expected.Length, actual.Length);
        var scale = Math.Max(1, expected.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty().Max());
        for (var i = 0; i < expected.Length; i++)
        {
            var same = expected[i].Equals(actual[i]) || Math.Abs(expected[i] - actual[i]) <= tolerance * scale;
            if (!same)
                throw new XunitException(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"element {i} of {shape}: {expected[i]:R} was expected, {actual[i]:R} came (tolerance {tolerance * scale:G3})"
                    )
                );
        }
    }
}
