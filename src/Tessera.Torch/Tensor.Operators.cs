namespace Tessera;

public partial class Tensor
{
    /// <summary>Elementwise sum.</summary>
    public static Tensor operator +(Tensor left, Tensor right) => left.Add(right);

    /// <summary>Adds a number to every element.</summary>
    public static Tensor operator +(Tensor left, Scalar right) => left.Add(right);

    /// <summary>Adds a number to every element.</summary>
    public static Tensor operator +(Scalar left, Tensor right) => right.Add(left);

    /// <summary>Elementwise difference.</summary>
    public static Tensor operator -(Tensor left, Tensor right) => left.Sub(right);

    /// <summary>Subtracts a number from every element.</summary>
    public static Tensor operator -(Tensor left, Scalar right) => left.Sub(right);

    /// <summary>A number minus every element.</summary>
    public static Tensor operator -(Scalar left, Tensor right) => right.Rsub(left);

    /// <summary>Elementwise negative.</summary>
    public static Tensor operator -(Tensor value) => value.Neg();

    /// <summary>Elementwise product.</summary>
    public static Tensor operator *(Tensor left, Tensor right) => left.Mul(right);

    /// <summary>Multiplies every element by a number.</summary>
    public static Tensor operator *(Tensor left, Scalar right) => left.Mul(right);

    /// <summary>Multiplies every element by a number.</summary>
    public static Tensor operator *(Scalar left, Tensor right) => right.Mul(left);

    /// <summary>Elementwise quotient.</summary>
    public static Tensor operator /(Tensor left, Tensor right) => left.Div(right);

    /// <summary>Divides every element by a number.</summary>
    public static Tensor operator /(Tensor left, Scalar right) => left.Div(right);

    /// <summary>A number divided by every element.</summary>
    public static Tensor operator /(Scalar left, Tensor right) => right.Reciprocal().Mul(left);

    /// <summary>Elementwise: is the left one smaller?</summary>
    public static Tensor operator <(Tensor left, Tensor right) => left.Lt(right);

    /// <summary>Elementwise: is the left one larger?</summary>
    public static Tensor operator >(Tensor left, Tensor right) => left.Gt(right);

    /// <summary>Elementwise: is the left one smaller or equal?</summary>
    public static Tensor operator <=(Tensor left, Tensor right) => left.Le(right);

    /// <summary>Elementwise: is the left one larger or equal?</summary>
    public static Tensor operator >=(Tensor left, Tensor right) => left.Ge(right);

    /// <summary>Elementwise: smaller than a number?</summary>
    public static Tensor operator <(Tensor left, Scalar right) => left.Lt(right);

    /// <summary>Elementwise: larger than a number?</summary>
    public static Tensor operator >(Tensor left, Scalar right) => left.Gt(right);

    /// <summary>Elementwise: at most a number?</summary>
    public static Tensor operator <=(Tensor left, Scalar right) => left.Le(right);

    /// <summary>Elementwise: at least a number?</summary>
    public static Tensor operator >=(Tensor left, Scalar right) => left.Ge(right);

    /// <summary>Sum along one dimension (a list of one would be ambiguous for the literal 0, which is an element type, too).</summary>
    public Tensor Sum(int dim, bool keepdim = false) => Sum((IntList)dim, keepdim);

    /// <summary>Average along one dimension.</summary>
    public Tensor Mean(int dim, bool keepdim = false) => Mean((IntList)dim, keepdim);

    /// <summary>The transpose of the last two dimensions, as a view.</summary>
    public Tensor MT => Transpose(-2, -1);

    /// <summary>Converted to another element type; the tensor itself where it has that type already.</summary>
    public Tensor To(DType dtype) => To(dtype, false);

    /// <summary>Moved to another device; the tensor itself where it lies there already.</summary>
    public Tensor To(Device device) => To(null, null, device);
}
