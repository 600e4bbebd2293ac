using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// SoT's classification head: the class token and second-order statistics of the words (patch tokens) classify together
/// (Xie et al., 2021, arXiv:2104.10935, section 3). It fits behind any backbone of tokens.
/// </summary>
public sealed partial class SecondOrderHead : Module
{
    /// <summary>How class token and words come together.</summary>
    public enum Fusion
    {
        /// <summary>The sum of two classifiers.</summary>
        Sum,

        /// <summary>One classifier of both side by side.</summary>
        Concat,

        /// <summary>Two classifiers with a loss each; prediction takes their sum.</summary>
        Losses,

        /// <summary>Statistics over all tokens, the class token among them.</summary>
        All,

        /// <summary>Words alone.</summary>
        Words,

        /// <summary>The class token alone.</summary>
        ClassToken,
    }

    /// <summary>What is taken of the words.</summary>
    public enum Statistic
    {
        /// <summary>Cross-covariances of several heads.</summary>
        CrossCovariance,

        /// <summary>The covariance with its square root by Newton and Schulz.</summary>
        Covariance,

        /// <summary>The mean.</summary>
        Mean,
    }

    /// <summary>How cross-covariances are normalised.</summary>
    public enum Normalization
    {
        /// <summary>Powers of the singular values.</summary>
        SingularValues,

        /// <summary>Signed roots of the elements, then unit columns.</summary>
        Elements,

        /// <summary>The factor m^-0.5.</summary>
        Scale,

        /// <summary>That factor, learned.</summary>
        LearnedScale,

        /// <summary>Layer norm over the last dimension.</summary>
        LayerNorm,

        /// <summary>None.</summary>
        None,
    }

    /// <summary>Sizes and options.</summary>
    /// <param name="Dim">Width of the tokens.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Heads">Heads of the cross-covariance.</param>
    /// <param name="HeadDim">Width m of a head; each gives an m x m matrix.</param>
    /// <param name="Fusion">How class token and words come together.</param>
    /// <param name="Statistic">What is taken of the words.</param>
    /// <param name="Normalization">How cross-covariances are normalised.</param>
    /// <param name="Power">Of the singular values.</param>
    /// <param name="Iterations">Of the power iteration.</param>
    /// <param name="SingularValues">How many are found; null for all.</param>
    /// <param name="Dropout">Of the statistics.</param>
    /// <param name="PerChannel">Removes a mean per channel instead of one per matrix.</param>
    public sealed record Config(
        int Dim,
        int Classes,
        int Heads,
        int HeadDim,
        Fusion Fusion = Fusion.Sum,
        Statistic Statistic = Statistic.CrossCovariance,
        Normalization Normalization = Normalization.SingularValues,
        double Power = 0.5,
        int Iterations = 1,
        int? SingularValues = 1,
        double Dropout = 0,
        bool PerChannel = false
    )
    {
        /// <summary>Width to which tokens are reduced before their covariance.</summary>
        public int CovarianceDim => (int)Math.Sqrt(2 * Heads * HeadDim * HeadDim);

        /// <summary>Whether the class token is part of what is classified.</summary>
        public bool UsesClassToken => Fusion is Fusion.Sum or Fusion.Concat or Fusion.Losses or Fusion.ClassToken;

        /// <summary>Width of the statistics; 0 for the class token alone.</summary>
        public int StatisticWidth =>
            (Fusion, Statistic) switch
            {
                (Fusion.ClassToken, _) => 0,
                (_, Statistic.CrossCovariance) => Heads * HeadDim * HeadDim,
                (_, Statistic.Covariance) => CovarianceDim * (CovarianceDim + 1) / 2,
                _ => Dim,
            };
    }

    private readonly Linear? dr;
    private readonly Pooling? representation;
    private Linear? visualFc;
    private Linear? clsFc;
    private readonly Dropout drop;
    private readonly Config config;

    /// <summary>A head; linear maps start truncated normal 0.02.</summary>
    public SecondOrderHead(Config config)
    {
        this.config = config;
        if (config.Fusion != Fusion.ClassToken)
        {
            if (config.Statistic == Statistic.Covariance)
                dr = TransformerInit.Linears(new Linear(config.Dim, config.CovarianceDim));
            if (config.Statistic == Statistic.CrossCovariance)
                representation = new Pooling(config);
        }
        drop = new Dropout(config.Dropout);
        Reset(config.Classes);
    }

    /// <summary>Width of what <see cref="Pool"/> gives.</summary>
    public int Width => config.StatisticWidth + (config.UsesClassToken ? config.Dim : 0);

    /// <summary>Names of the classifiers' parameters.</summary>
    public IEnumerable<string> ClassifierNames =>
        (visualFc is null ? [] : new[] { "visual_fc.weight", "visual_fc.bias" }).Concat(
            clsFc is null ? [] : ["cls_fc.weight", "cls_fc.bias"]
        );

    /// <summary>Fresh classifiers; none for 0 classes.</summary>
    public void Reset(int classes, Device? device = null, DType? type = null)
    {
        visualFc =
            classes > 0 && config.StatisticWidth > 0
                ? TransformerInit.Linears(new Linear(config.StatisticWidth + (config.Fusion == Fusion.Concat ? config.Dim : 0), classes))
                : null;
        // The published code makes the class token's classifier for every fusion with a class token, used or not.
        clsFc = classes > 0 && config.Fusion != Fusion.Words ? TransformerInit.Linears(new Linear(config.Dim, classes)) : null;
        visualFc?.To(device, type);
        clsFc?.To(device, type);
    }

    /// <summary>What is classified: the class token (where the fusion uses it) and the statistics side by side.</summary>
    /// <param name="tokens">[B, 1 + N, C], or [B, N, C] without class token.</param>
    /// <param name="classToken">Whether the first token is the class token.</param>
    /// <returns>[B, <see cref="Width"/>].</returns>
    public Tensor Pool(Tensor tokens, bool classToken = true)
    {
        if (!classToken && config.Fusion != Fusion.Words && config.Fusion != Fusion.All)
            throw new ArgumentException($"fusion {config.Fusion} needs a class token", nameof(classToken));
        using var scope = new Scope();
        if (config.Fusion == Fusion.ClassToken)
            return scope.Return(tokens.Select(1, 0));
        var statistics = drop.Call(
            Record("second_order", Statistics(classToken && config.Fusion != Fusion.All ? tokens.Slice(1, 1) : tokens))
        );
        return scope.Return(config.UsesClassToken ? Torch.Cat([tokens.Select(1, 0).To(statistics.DType), statistics], 1) : statistics);
    }

    private Tensor Statistics(Tensor words) =>
        config.Statistic switch // [B, N, C] -> [B, statistics]
        {
            Statistic.CrossCovariance => representation!.Call(words),
            Statistic.Covariance => SecondOrder.UpperTriangle(
                SecondOrder.SquareRoot(SecondOrder.Covariance(dr!.Call(words), config.PerChannel))
            ),
            _ => words.Mean([1]),
        };

    /// <summary>Logits for prediction from what <see cref="Pool"/> gave; that itself without classes.</summary>
    public Tensor Classify(Tensor pooled)
    {
        if (visualFc is null && clsFc is null)
            return pooled;
        using var scope = new Scope();
        if (config.Fusion is Fusion.Sum or Fusion.Losses)
        {
            var (byClass, byWords) = ClassifyApart(pooled);
            return scope.Return(byClass + byWords);
        }
        return scope.Return(config.Fusion == Fusion.ClassToken ? clsFc!.Call(pooled) : visualFc!.Call(pooled));
    }

    /// <summary>Logits of the class token and of the statistics, for the fusions with two classifiers.</summary>
    public (Tensor ByClassToken, Tensor ByWords) ClassifyApart(Tensor pooled)
    {
        if (visualFc is null || clsFc is null)
            throw new InvalidOperationException(
                $"a head with fusion {config.Fusion} and {config.Classes} classes does not have two classifiers"
            );
        using var scope = new Scope();
        return scope.Return(
            (Record("class_token_logits", clsFc.Call(pooled.Slice(1, 0, config.Dim))), visualFc.Call(pooled.Slice(1, config.Dim)))
        );
    }

    /// <summary>Multi-headed cross-covariance pooling: [B, N, C] to [B, heads m m].</summary>
    private sealed partial class Pooling : Layer
    {
        private readonly Linear wr;
        private readonly Layer? norm;
        private readonly Config config;

        public Pooling(Config config)
        {
            this.config = config;
            wr = TransformerInit.Linears(new Linear(config.Dim, 2 * config.Heads * config.HeadDim, bias: false));
            norm = config.Normalization switch
            {
                Normalization.SingularValues => new SingularValuePower(
                    config.HeadDim,
                    config.Iterations,
                    config.SingularValues,
                    config.Power
                ),
                Normalization.LayerNorm => new LayerNorm(config.HeadDim),
                Normalization.LearnedScale => new Factor(Math.Pow(config.HeadDim, -0.5)),
                _ => null,
            };
        }

        protected override Tensor Forward(Tensor input)
        {
            var (batch, words, _) = input.Shape;
            var packed = wr.Call(input)
                .Reshape(batch, words, 2, config.Heads, config.HeadDim)
                .Permute(2, 0, 3, 1, 4)
                .Reshape(2, batch * config.Heads, words, config.HeadDim);
            var matrices = SecondOrder.CrossCovariance(packed[0], packed[1], config.PerChannel); // [B H, m, m]
            var normalised = config.Normalization switch
            {
                Normalization.Elements => Roots(matrices),
                Normalization.Scale => matrices * Math.Pow(config.HeadDim, -0.5),
                _ => norm is null ? matrices : norm.Call(matrices),
            };
            return normalised.Reshape(batch, -1);
        }

        private static Tensor Roots(Tensor x)
        {
            var roots = x.Sign() * (x.Abs() + 1e-8).Sqrt();
            return roots / roots.LinalgVectorNorm(2, [1], true).ClampMin(1e-12);
        }
    }

    private sealed partial class Factor(double start) : Layer
    {
        private readonly Parameter factor = Init.Constant(new Parameter(new IntList([])), start);

        protected override Tensor Forward(Tensor input) => input * factor;
    }
}
