namespace Tessera.Nn;

/// <summary>
/// Alpha-entmax over the last dimension: a softmax (alpha 1) that becomes sparse as alpha grows (2: sparsemax), with a learned
/// alpha (Correia et al., 2019, arXiv:1909.00015). The threshold is found by bisection (algorithm 1).
/// </summary>
public sealed partial class Entmax : Layer
{
    private readonly Parameter? alpha; // []
    private readonly double fixedAlpha;

    /// <summary>An entmax that begins at <paramref name="alpha"/>.</summary>
    /// <param name="alpha">Above 1.</param>
    /// <param name="learned">Whether alpha is a parameter.</param>
    public Entmax(double alpha = 1.5, bool learned = true)
    {
        fixedAlpha = alpha;
        if (learned)
            this.alpha = Init.Constant(new Parameter(Torch.Empty([])), alpha);
    }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => new Bisection().Apply(input, alpha ?? (Tensor)input.NewFull([], fixedAlpha))[0];

    private sealed class Bisection : Function
    {
        private const int Rounds = 50;

        protected override Tensor[] Forward(Context context, Tensor[] inputs)
        {
            var alpha = inputs[1].ToDouble();
            var z = inputs[0] * (alpha - 1);
            var top = z.Amax([-1], true);
            var low = top - 1;
            var width = top - Math.Pow(1.0 / z.Size(-1), alpha - 1) - low;
            var first = Sum(low);
            var middle = low;
            for (var round = 0; round < Rounds; round++)
            {
                using var scope = new Scope();
                width = width / 2;
                middle = low + width;
                low = Torch.Where(Sum(middle) * first >= 0, middle, low);
                scope.Return((middle, low, width));
            }
            var result = Part(middle);
            result = result / result.Sum([-1], true);
            context.Save(result);
            context.State = alpha;
            return [result];

            Tensor Part(Tensor threshold) => (z - threshold).ClampMin(0).Pow(1 / (alpha - 1));
            Tensor Sum(Tensor threshold) => Part(threshold).Sum([-1], true) - 1;
        }

        protected override Tensor?[] Backward(Context context, Tensor?[] gradients)
        {
            if (gradients[0] is not { } outer)
                return [null, null];
            var y = context.Saved(0);
            var alpha = (double)context.State!;
            var support = y > 0;
            var slope = Torch.Where(support, y.ClampMin(double.Epsilon).Pow(2 - alpha), y.ZerosLike());
            var total = slope.Sum([-1], true);
            var input = outer * slope;
            input = input - slope * (input.Sum([-1], true) / total);
            if (!context.Needs(1))
                return [input, null];
            var surprise = y.Xlogy(y); // 0 where y is
            var skewed = slope / total;
            var toAlpha =
                outer * (y - skewed) / ((alpha - 1) * (alpha - 1)) - outer * (surprise - skewed * surprise.Sum([-1], true)) / (alpha - 1);
            return [input, toAlpha.Sum()];
        }
    }
}
