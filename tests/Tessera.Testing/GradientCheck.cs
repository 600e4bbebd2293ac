using Xunit;

namespace Tessera.Testing;

/// <summary>Compares gradients with differences of values.</summary>
public static class GradientCheck
{
    /// <summary>
    /// Gradients of a weighted sum of the function's result by every element of every input (float64, requiring gradients).
    /// </summary>
    public static void Holds(Func<Tensor[], Tensor> function, params Tensor[] inputs)
    {
        using var scope = Torch.Scope();
        Tensor? weights = null;
        Tensor Value()
        {
            var result = function(inputs);
            // Any fixed weights that differ between the elements will do.
            weights ??= (Torch.Arange(result.Elements, dtype: DType.Float64) * 0.7).Cos().Reshape(result.Shape);
            return (result * weights).Sum();
        }

        var gradients = Autograd.Grad([Value()], inputs);
        const double step = 1e-6;
        for (var k = 0; k < inputs.Length; k++)
        {
            var expected = new double[inputs[k].Elements];
            using var quiet = Torch.NoGrad();
            for (var i = 0; i < expected.Length; i++)
            {
                using var inner = Torch.Scope();
                var element = inputs[k].Detach().View(-1);
                var old = element[i].ToDouble();
                element[i] = Tensor.Of(old + step);
                var above = Value().ToDouble();
                element[i] = Tensor.Of(old - step);
                var below = Value().ToDouble();
                element[i] = Tensor.Of(old);
                expected[i] = (above - below) / (2 * step);
            }
            Assert.NotNull(gradients[k]);
            Near.Values(gradients[k]!, 1e-7, expected);
        }
    }
}
