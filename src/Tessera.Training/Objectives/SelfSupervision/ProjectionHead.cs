using Tessera.Nn;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>
/// The head of SimCLR's authors (Chen et al., 2020, arXiv:2002.05709, section 2.1; arXiv:2006.10029 with three layers): linear maps without
/// shift, each with a batch norm, and ReLU between them. The last norm has a scale but no shift.
/// </summary>
public sealed partial class ProjectionHead : Layer
{
    private const double Deviation = 0.01;

    private readonly ModuleList<Projection> layers;

    /// <summary>A head whose hidden layers are as wide as its input.</summary>
    /// <param name="inputs">Channels of the features.</param>
    /// <param name="outputs">Channels of an embedding.</param>
    /// <param name="count">Number of linear maps, at least 1.</param>
    /// <param name="hidden">Width of hidden layers; that of the input by default.</param>
    /// <param name="eps">Of the batch norms.</param>
    /// <param name="momentum">Weight of the newest batch in their running statistics.</param>
    public ProjectionHead(int inputs, int outputs = 128, int count = 3, int? hidden = null, double eps = 1e-5, double momentum = 0.1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        var width = hidden ?? inputs;
        layers = new(
            Enumerable
                .Range(0, count)
                .Select(i => new Projection(i == 0 ? inputs : width, i == count - 1 ? outputs : width, i == count - 1, eps, momentum))
        );
    }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => layers.Aggregate(input, (x, layer) => layer.Call(x));

    /// <summary>
    /// The head of the small images of Ermolov et al. (2020, arXiv:2007.06346): linear maps with shift, each but the last followed by a
    /// batch norm and ReLU.
    /// </summary>
    /// <param name="inputs">Channels of the features.</param>
    /// <param name="outputs">Channels of an embedding.</param>
    /// <param name="count">Number of linear maps, at least 1.</param>
    /// <param name="hidden">Width of hidden layers.</param>
    public static Sequential Plain(int inputs, int outputs, int count = 2, int hidden = 1024)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        return new(
            Enumerable
                .Range(0, count - 1)
                .SelectMany(i => (Layer[])[new Linear(i == 0 ? inputs : hidden, hidden), new BatchNorm(hidden), new Relu()])
                .Append(new Linear(count == 1 ? inputs : hidden, outputs))
        );
    }

    private sealed partial class Projection : Layer
    {
        private readonly Linear dense;
        private readonly BatchNorm bn;
        private readonly bool last;

        public Projection(int inputs, int outputs, bool last, double eps, double momentum)
        {
            this.last = last;
            dense = new Linear(inputs, outputs, bias: false);
            Init.Normal(dense.Weight, Deviation);
            bn = new BatchNorm(outputs, eps, momentum, bias: !last);
        }

        protected override Tensor Forward(Tensor input)
        {
            var x = bn.Call(dense.Call(input));
            return last ? x : x.Relu();
        }
    }
}
