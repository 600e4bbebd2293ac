using Tessera.Nn;

namespace Tessera.Training.Objectives;

/// <summary>
/// A unit of TransKD's cross selective fusion (Liu et al., 2022, arXiv:2202.13393, section III-B): a stage's map of the student is joined
/// with what the deeper stages became, channel by channel by learned shares, and brought to the teacher's width.
/// </summary>
internal sealed partial class SelectiveFusion : Module<(Tensor Map, Tensor? Deeper), (Tensor Handed, Tensor Compared)>
{
    private readonly Sequential conv1;
    private readonly Sequential conv2;
    private readonly Sequential? fc;
    private readonly Sequential? fc1; // for one image, whose batch norm would have nothing to compare
    private readonly ModuleList<Conv2d>? fcs;

    /// <summary>A unit.</summary>
    /// <param name="student">Channels of the student's map.</param>
    /// <param name="middle">Channels of what is handed on.</param>
    /// <param name="reduced">Channels that the shares are computed from.</param>
    /// <param name="teacher">Channels of the teacher's map.</param>
    /// <param name="deepest">Whether there is no deeper stage.</param>
    public SelectiveFusion(int student, int middle, int reduced, int teacher, bool deepest)
    {
        conv1 = new Sequential([Uniform(new Conv2d(student, middle, 1, bias: false)), new BatchNorm(middle)]);
        conv2 = new Sequential([Uniform(new Conv2d(middle, teacher, 3, 1, 1, bias: false)), new BatchNorm(teacher)]);
        if (deepest)
            return;
        fc = new Sequential([new Conv2d(middle, reduced, 1, bias: false), new BatchNorm(reduced), new Relu()]);
        fc1 = new Sequential([new Conv2d(middle, reduced, 1, bias: false), new Relu()]);
        fcs = new(Enumerable.Range(0, 2).Select(_ => new Conv2d(reduced, middle, 1)));
    }

    private static Conv2d Uniform(Conv2d conv)
    {
        Init.KaimingUniform(conv.Weight, gain: 1);
        return conv;
    }

    /// <summary>The map of a stage and what the deeper one handed on, to what is handed on and what is compared.</summary>
    protected override (Tensor Handed, Tensor Compared) Forward((Tensor Map, Tensor? Deeper) input)
    {
        var x = conv1.Call(input.Map);
        if (input.Deeper is { } deeper && fc is not null && fc1 is not null && fcs is not null)
        {
            var other = deeper.UpsampleNearest2d((x.Size(2), x.Size(3)));
            var pooled = (x + other).Mean((2, 3), true);
            var hidden = (x.Size(0) == 1 ? fc1 : fc).Call(pooled);
            var shares = Torch.Stack([.. fcs.Select(score => score.Call(hidden))]).Softmax(0); // [2, B, M, 1, 1]
            x = x * shares.Select(0, 0) + other * shares.Select(0, 1);
        }
        return (x, conv2.Call(x));
    }
}
