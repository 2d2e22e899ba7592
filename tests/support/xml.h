// xml.h - reads the XML that the program writes: is it well-formed, and what does it say?
//
// No general parser: elements, attributes in double quotes, and text with the five named entities. No comments,
// processing instructions, CDATA or DTDs.
#ifndef FATHOM_TESTS_SUPPORT_XML_H_
#define FATHOM_TESTS_SUPPORT_XML_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace fathom {

struct XmlTexts {
  std::string error;                                      // empty: well-formed
  std::map<std::string, int> elements;                    // how many, by name
  std::map<std::string, std::vector<std::string>> texts;  // of the elements with text, by name, in order
};

// Everything up to the first error.
XmlTexts ReadXml(std::string_view xml);

}  // namespace fathom

#endif  // FATHOM_TESTS_SUPPORT_XML_H_
